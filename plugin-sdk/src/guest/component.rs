//! The adapter: implements the generated traits by calling the author's type.

use std::marker::PhantomData;

use super::{
    bindings::{
        approval::exports::almoner::plugin::approval as wa,
        detector::exports::almoner::plugin::detector as wd,
        guard::exports::almoner::plugin::guard as wg,
        lifecycle::{almoner::plugin::types as wt, exports::almoner::plugin::lifecycle as wl},
        transformer::exports::almoner::plugin::transformer as wx,
    },
    convert::Convert,
    instance,
};
use crate::{Approval, Detector, Guard, Plugin, Transformer, settings_schema};

/// An author's plugin as a component.
#[derive(Debug)]
pub struct Component<T>(PhantomData<T>);

impl<T: Plugin> wl::Guest for Component<T> {
    fn describe() -> wl::Manifest {
        T::manifest().convert()
    }

    fn settings_schema() -> String {
        settings_schema::<T::Settings>()
    }

    fn configure(settings: String) -> Result<wl::Unread, Vec<wl::SettingsError>> {
        instance::configure::<T>(&settings)
            .map(Convert::convert)
            .map_err(Convert::convert)
    }
}

impl<T: Guard> wg::Guest for Component<T> {
    fn inspect(ctx: wt::CallContext, op: wt::Operation) -> Result<wg::Verdict, wt::Failure> {
        instance::call(|plugin: &T| plugin.inspect(&ctx.convert(), &op.convert())).convert()
    }
}

impl<T: Approval> wa::Guest for Component<T> {
    fn assess(
        ctx: wt::CallContext,
        op: wt::Operation,
        rows_so_far: u64,
    ) -> Result<wa::Answer, wt::Failure> {
        instance::call(|plugin: &T| plugin.assess(&ctx.convert(), &op.convert(), rows_so_far))
            .convert()
    }
}

impl<T: Detector> wd::Guest for Component<T> {
    /// Traps when not configured: an empty declaration would pass for a detector that looks for nothing.
    fn declare() -> wd::Declaration {
        match instance::call(|plugin: &T| Ok(plugin.declare())) {
            Ok(declaration) => declaration.convert(),
            Err(_) => panic!("declare was called before configure"),
        }
    }

    fn classify(
        target: String,
        protocol: String,
        fields: Vec<wd::Field>,
    ) -> Result<Vec<wd::FieldFinding>, wt::Failure> {
        let fields: Vec<_> = fields.convert();
        instance::call(|plugin: &T| plugin.classify(&target, &protocol, &fields)).convert()
    }

    fn detect(ctx: wt::CallContext, batch: wd::Batch) -> Result<Vec<wd::Finding>, wt::Failure> {
        instance::call(|plugin: &T| plugin.detect(&ctx.convert(), &batch.convert())).convert()
    }
}

impl<T: Transformer> wx::Guest for Component<T> {
    fn transform(ctx: wt::CallContext, values: Vec<wx::Found>) -> Result<Vec<String>, wt::Failure> {
        let values: Vec<_> = values.convert();
        instance::call(|plugin: &T| plugin.transform(&ctx.convert(), &values)).convert()
    }
}
