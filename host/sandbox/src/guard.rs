//! Guards: judge an action before it is done. A fresh instance for every call, so that nothing of one
//! exchange is there for the next.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::ComponentExportIndex;

use crate::configured::Bound;
use crate::digest::Digest;
use crate::failure::Failure;
use crate::plugin::Plugin;
use crate::raw;
use crate::reasons::reported;
use crate::types::{CallContext, Operation, Verdict};

/// A guard with its settings.
#[derive(Clone, Debug)]
pub struct GuardPlugin {
    pub(crate) bound: Bound,
    pub(crate) inspect: ComponentExportIndex,
}

impl GuardPlugin {
    /// Judges one action. A failure must be treated as a denial.
    pub async fn inspect(&self, ctx: &CallContext, op: &Operation) -> Result<Verdict, Failure> {
        let there = || {
            let (this, ctx, op) = (self.clone(), ctx.clone(), op.clone());
            move |time| this.within(&ctx, &op, time)
        };
        self.bound
            .run(op.body_bytes(), |time| self.within(ctx, op, time), there)
            .await
    }

    /// The same on the calling thread, which is held until the plugin answers or its deadline ends it.
    pub fn inspect_blocking(&self, ctx: &CallContext, op: &Operation) -> Result<Verdict, Failure> {
        self.within(ctx, op, self.bound.limits().deadline)
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
        op: &Operation,
        time: Duration,
    ) -> Result<Verdict, Failure> {
        let mut instance = self.bound.fresh(time)?;
        let (answer,): (Result<raw::Verdict, raw::Failure>,) =
            instance.call(&self.inspect, (ctx, op))?;
        let manifest = self.plugin().manifest();
        Verdict::check(
            answer.map_err(|failure| reported(failure, manifest))?,
            manifest,
        )
    }
}
