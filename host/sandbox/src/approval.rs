//! Approval plugins: say whether, and from whom, approval is needed. A fresh instance for every call, or
//! an answer from memory, where the plugin said that equal questions have equal answers.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::ComponentExportIndex;

use crate::configured::Bound;
use crate::digest::Digest;
use crate::failure::Failure;
use crate::memory::{Memory, Told};
use crate::plugin::Plugin;
use crate::raw;
use crate::reasons::reported;
use crate::types::{Answer, CallContext, Operation};

/// An approval plugin with its settings.
#[derive(Clone, Debug)]
pub struct ApprovalPlugin {
    bound: Bound,
    assess: ComponentExportIndex,
    memory: Arc<Memory<Answer>>,
}

impl ApprovalPlugin {
    pub(crate) fn new(bound: Bound, assess: ComponentExportIndex) -> Self {
        Self {
            memory: Arc::default(),
            bound,
            assess,
        }
    }

    /// Judges one action, or one that is under way and has returned `rows_so_far`. A failure must be
    /// treated as a need for the rule's strictest approvers.
    pub async fn assess(
        &self,
        ctx: &CallContext,
        op: &Operation,
        rows_so_far: u64,
    ) -> Result<Answer, Failure> {
        self.told(ctx, op, rows_so_far).await.answer
    }

    /// The same, and whether the answer is one it gave before.
    pub async fn told(&self, ctx: &CallContext, op: &Operation, rows_so_far: u64) -> Told<Answer> {
        let key = self.bound.unread().key(ctx, op, rows_so_far);
        let ask = || self.ask(ctx, op, rows_so_far);
        self.memory.or_ask(key, ask).await
    }

    /// Judges on the calling thread, which is held until the plugin answers or its deadline ends it. Never from
    /// memory.
    pub fn assess_blocking(
        &self,
        ctx: &CallContext,
        op: &Operation,
        rows_so_far: u64,
    ) -> Result<Answer, Failure> {
        let (ctx, op) = self.bound.unread().shown(ctx, op);
        let (answer, _) = self.within(&ctx, &op, rows_so_far, self.bound.limits().deadline)?;
        Ok(answer)
    }

    async fn ask(
        &self,
        ctx: &CallContext,
        op: &Operation,
        rows_so_far: u64,
    ) -> Result<(Answer, bool), Failure> {
        let (ctx, op) = self.bound.unread().shown(ctx, op);
        let (ctx, op) = (&*ctx, &*op);
        let there = || {
            let (this, ctx, op) = (self.clone(), ctx.clone(), op.clone());
            move |time| this.within(&ctx, &op, rows_so_far, time)
        };
        let here = |time| self.within(ctx, op, rows_so_far, time);
        self.bound.run(op.body_bytes(), here, there).await
    }

    /// The plugin.
    pub fn plugin(&self) -> &Arc<Plugin> {
        self.bound.plugin()
    }

    pub(crate) fn bound(&self) -> &Bound {
        &self.bound
    }

    /// Of the settings.
    pub fn settings_digest(&self) -> &Digest {
        self.bound.settings_digest()
    }

    /// An answer, and whether log events came with it.
    fn within(
        &self,
        ctx: &CallContext,
        op: &Operation,
        rows_so_far: u64,
        time: Duration,
    ) -> Result<(Answer, bool), Failure> {
        let mut instance = self.bound.fresh(time)?;
        let (answer,): (Result<raw::Answer, raw::Failure>,) =
            instance.call(&self.assess, (ctx, op, rows_so_far))?;
        let manifest = self.plugin().manifest();
        let answer = answer.map_err(|failure| reported(failure, manifest))?;
        Ok((Answer::check(answer, manifest)?, instance.spoke()))
    }
}
