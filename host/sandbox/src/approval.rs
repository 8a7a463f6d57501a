//! Approval plugins: say whether, and from whom, approval is needed. A fresh instance for every call.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::ComponentExportIndex;

use crate::configured::Bound;
use crate::digest::Digest;
use crate::failure::Failure;
use crate::plugin::Plugin;
use crate::raw;
use crate::reasons::reported;
use crate::types::{Answer, CallContext, Operation};

/// An approval plugin with its settings.
#[derive(Clone, Debug)]
pub struct ApprovalPlugin {
    pub(crate) bound: Bound,
    pub(crate) assess: ComponentExportIndex,
}

impl ApprovalPlugin {
    /// Judges one action, or one that is under way and has returned `rows_so_far`. A failure must be
    /// treated as a need for the rule's strictest approvers.
    pub async fn assess(
        &self,
        ctx: &CallContext,
        op: &Operation,
        rows_so_far: u64,
    ) -> Result<Answer, Failure> {
        let there = || {
            let (this, ctx, op) = (self.clone(), ctx.clone(), op.clone());
            move |time| this.within(&ctx, &op, rows_so_far, time)
        };
        self.bound
            .run(
                op.body_bytes(),
                |time| self.within(ctx, op, rows_so_far, time),
                there,
            )
            .await
    }

    /// The same on the calling thread, which is held until the plugin answers or its deadline ends it.
    pub fn assess_blocking(
        &self,
        ctx: &CallContext,
        op: &Operation,
        rows_so_far: u64,
    ) -> Result<Answer, Failure> {
        self.within(ctx, op, rows_so_far, self.bound.limits().deadline)
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
        rows_so_far: u64,
        time: Duration,
    ) -> Result<Answer, Failure> {
        let mut instance = self.bound.fresh(time)?;
        let (answer,): (Result<raw::Answer, raw::Failure>,) =
            instance.call(&self.assess, (ctx, op, rows_so_far))?;
        let manifest = self.plugin().manifest();
        Answer::check(
            answer.map_err(|failure| reported(failure, manifest))?,
            manifest,
        )
    }
}
