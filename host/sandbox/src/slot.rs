//! A session's instance of one detector: warm between calls, gone after any failure, replaced when it is old
//! or has grown.

use crate::busy::Busy;
use crate::detector::{Answer, DetectorPlugin};
use crate::failure::Failure;
use crate::gate::SLICE;
use crate::host::Host;
use crate::instance::Instance;
use crate::question::Question;
use crate::types::CallContext;
use crate::warm::WarmSlot;

/// Calls after which a warm instance is replaced, so that a slow leak never becomes a failure.
const CALLS_MAX: u32 = 10_000;

/// A detector's instance between calls, if it may be kept.
#[derive(Default)]
pub(crate) struct Slot {
    warm: Option<(Instance, WarmSlot)>,
    /// Memory after the first call; growth beyond it counts towards replacement.
    settled_bytes: usize,
}

impl Slot {
    pub(crate) fn is_warm(&self) -> bool {
        self.warm.is_some()
    }

    /// Asks here if the plugin is quick and its instance warm, else on the threads.
    pub(crate) async fn ask(
        &mut self,
        host: &Host,
        detector: &DetectorPlugin,
        ctx: &CallContext,
        question: &Question<'_>,
    ) -> Result<Answer, Failure> {
        let (gate, deadline) = (&detector.plugin().gate, detector.bound.limits().deadline);
        // A new instance is not quick: interpreters and tables of regexes wake up first.
        let mut warm = self.warm.take();
        if gate.inline(question.text_bytes())
            && let Some((mut instance, slot)) = warm.take()
        {
            instance.begin(SLICE.min(deadline));
            let busy = Busy::begin();
            match detector.ask(&mut instance, ctx, question) {
                Err(Failure::Deadline) => gate.overran(busy.spent()),
                answer => {
                    if answer.is_ok() {
                        self.keep(instance, Some(slot), detector);
                    }
                    return answer;
                }
            }
        }
        let (was_warm, slot) = (
            warm.is_some(),
            warm.as_ref().is_none().then(|| host.0.warm.take()),
        );
        let (ctx, question, there) = (ctx.clone(), question.to_owned(), detector.clone());
        let call = move |time| {
            let busy = Busy::begin();
            let (mut instance, kept) = match warm {
                Some((mut instance, kept)) => {
                    instance.begin(time);
                    (instance, Some(kept))
                }
                None => (there.bound.fresh(time)?, None),
            };
            let answer = there.ask(&mut instance, &ctx, &question.as_question())?;
            Ok((answer, instance, kept, busy.spent()))
        };
        let (answer, instance, kept, took) = host.0.threads.run(gate, deadline, call).await??;
        if was_warm {
            gate.took(took);
        }
        self.keep(instance, kept.or(slot.flatten()), detector);
        Ok(answer)
    }

    /// Asks here.
    pub(crate) fn ask_blocking(
        &mut self,
        host: &Host,
        detector: &DetectorPlugin,
        ctx: &CallContext,
        question: &Question<'_>,
    ) -> Result<Answer, Failure> {
        let deadline = detector.bound.limits().deadline;
        let (mut instance, slot) = match self.warm.take() {
            Some((instance, slot)) => (instance, Some(slot)),
            None => (detector.bound.fresh(deadline)?, host.0.warm.take()),
        };
        instance.begin(deadline);
        let answer = detector.ask(&mut instance, ctx, question)?;
        self.keep(instance, slot, detector);
        Ok(answer)
    }

    /// Keeps an instance that answered, unless it is old, has grown, or there is no slot for it.
    fn keep(&mut self, instance: Instance, slot: Option<WarmSlot>, detector: &DetectorPlugin) {
        let Some(slot) = slot else { return };
        let bytes = instance.memory_bytes();
        if self.warm.is_none() && instance.calls() <= 2 {
            self.settled_bytes = bytes;
        }
        let grown =
            bytes.saturating_sub(self.settled_bytes) > detector.bound.limits().memory_bytes / 4;
        if instance.calls() < CALLS_MAX && !grown {
            self.warm = Some((instance, slot));
        }
    }
}
