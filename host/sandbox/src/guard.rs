//! Guards: judge an action before it is done. A fresh instance for every call, so that nothing of one
//! exchange is there for the next; or an answer from memory, where the plugin said that equal questions have
//! equal answers.

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
use crate::types::{CallContext, Operation, Verdict};

/// A guard with its settings.
#[derive(Clone, Debug)]
pub struct GuardPlugin {
    bound: Bound,
    inspect: ComponentExportIndex,
    memory: Arc<Memory<Verdict>>,
}

impl GuardPlugin {
    pub(crate) fn new(bound: Bound, inspect: ComponentExportIndex) -> Self {
        Self {
            memory: Arc::default(),
            bound,
            inspect,
        }
    }

    /// Judges one action. A failure must be treated as a denial.
    pub async fn inspect(&self, ctx: &CallContext, op: &Operation) -> Result<Verdict, Failure> {
        self.told(ctx, op).await.answer
    }

    /// The same, and whether the answer is one it gave before.
    pub async fn told(&self, ctx: &CallContext, op: &Operation) -> Told<Verdict> {
        let key = self.bound.unread().key(ctx, op, 0);
        self.memory.or_ask(key, || self.ask(ctx, op)).await
    }

    /// Judges on the calling thread, which is held until the plugin answers or its deadline ends it. Never from
    /// memory.
    pub fn inspect_blocking(&self, ctx: &CallContext, op: &Operation) -> Result<Verdict, Failure> {
        let (ctx, op) = self.bound.unread().shown(ctx, op);
        let (verdict, _) = self.within(&ctx, &op, self.bound.limits().deadline)?;
        Ok(verdict)
    }

    async fn ask(&self, ctx: &CallContext, op: &Operation) -> Result<(Verdict, bool), Failure> {
        let (ctx, op) = self.bound.unread().shown(ctx, op);
        let (ctx, op) = (&*ctx, &*op);
        let there = || {
            let (this, ctx, op) = (self.clone(), ctx.clone(), op.clone());
            move |time| this.within(&ctx, &op, time)
        };
        self.bound
            .run(op.body_bytes(), |time| self.within(ctx, op, time), there)
            .await
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

    /// A verdict, and whether log events came with it.
    fn within(
        &self,
        ctx: &CallContext,
        op: &Operation,
        time: Duration,
    ) -> Result<(Verdict, bool), Failure> {
        let mut instance = self.bound.fresh(time)?;
        let (answer,): (Result<raw::Verdict, raw::Failure>,) =
            instance.call(&self.inspect, (ctx, op))?;
        let manifest = self.plugin().manifest();
        let answer = answer.map_err(|failure| reported(failure, manifest))?;
        Ok((Verdict::check(answer, manifest)?, instance.spoke()))
    }
}
