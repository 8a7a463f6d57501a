//! The one configured plugin of this component instance.
//!
//! The gateway configures an instance once, before anything else, and calls it from one thread.

use std::{any::Any, cell::RefCell};

use crate::{Failure, Plugin, Reason, SettingsError, Unread, parse_settings};

thread_local! {
    static INSTANCE: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
}

/// Reads the settings and keeps the plugin they make. Says what it never looks at.
pub(super) fn configure<T: Plugin>(settings: &str) -> Result<Unread, Vec<SettingsError>> {
    let plugin = T::configure(parse_settings::<T::Settings>(settings)?)?;
    let unread = plugin.unread();
    INSTANCE.set(Some(Box::new(plugin)));
    Ok(unread)
}

/// Calls the plugin, or fails if it was never configured: an unconfigured plugin has no opinion that could stand.
pub(super) fn call<T: Plugin, R>(
    call: impl FnOnce(&T) -> Result<R, Failure>,
) -> Result<R, Failure> {
    INSTANCE.with_borrow(|instance| {
        match instance.as_ref().and_then(|plugin| plugin.downcast_ref()) {
            Some(plugin) => call(plugin),
            None => Err(Failure::Internal(Reason::new("sdk.not-configured"))),
        }
    })
}
