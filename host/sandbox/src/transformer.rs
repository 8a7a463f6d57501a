//! Transformers: replace values that were already found. A fresh instance for every call; they see the
//! values, never the rows around them.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::ComponentExportIndex;

use crate::configured::Bound;
use crate::digest::Digest;
use crate::failure::{BadOutput, Failure};
use crate::plugin::Plugin;
use crate::raw;
use crate::reasons::reported;
use crate::types::{CallContext, Found};

/// A transformer with its settings.
#[derive(Clone, Debug)]
pub struct TransformerPlugin {
    pub(crate) bound: Bound,
    pub(crate) transform: ComponentExportIndex,
}

impl TransformerPlugin {
    /// Replaces values, one for one. A failure must be treated by redacting them all.
    pub async fn transform(
        &self,
        ctx: &CallContext,
        values: &[Found],
    ) -> Result<Vec<String>, Failure> {
        let there = || {
            let (this, ctx, values) = (self.clone(), ctx.clone(), values.to_vec());
            move |time| this.within(&ctx, &values, time)
        };
        let bytes = values.iter().map(|found| found.value.len()).sum();
        self.bound
            .run(bytes, |time| self.within(ctx, values, time), there)
            .await
    }

    /// The same on the calling thread, which is held until the plugin answers or its deadline ends it.
    pub fn transform_blocking(
        &self,
        ctx: &CallContext,
        values: &[Found],
    ) -> Result<Vec<String>, Failure> {
        self.within(ctx, values, self.bound.limits().deadline)
    }

    /// The plugin.
    pub fn plugin(&self) -> &Arc<Plugin> {
        self.bound.plugin()
    }

    /// Of the settings.
    pub fn settings_digest(&self) -> &Digest {
        self.bound.settings_digest()
    }

    fn within(
        &self,
        ctx: &CallContext,
        values: &[Found],
        time: Duration,
    ) -> Result<Vec<String>, Failure> {
        let mut instance = self.bound.fresh(time)?;
        let (answer,): (Result<Vec<String>, raw::Failure>,) =
            instance.call(&self.transform, (ctx, values))?;
        let replaced = answer.map_err(|failure| reported(failure, self.plugin().manifest()))?;
        if replaced.len() != values.len() {
            return Err(Failure::BadOutput(BadOutput::WrongCount));
        }
        Ok(replaced)
    }
}
