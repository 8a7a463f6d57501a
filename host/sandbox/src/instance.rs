//! One instance of a plugin: its store, its account, and the call that either answers in time or is ended.
//!
//! An instance that failed is poisoned: whoever holds it drops it, nobody calls it again. Nothing is
//! cleaned up inside; dropping the store gives everything back.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use wasmtime::component::{
    ComponentExportIndex, ComponentNamedList, Instance as Wasm, InstancePre, Lift, Lower,
};
use wasmtime::{PoolConcurrencyLimitError, Store, Trap};

use crate::engine::ticks;
use crate::failure::Failure;
use crate::host_functions::Guest;
use crate::limits::CallLimits;

/// Handles of the component model. The contract has no resources, so none are needed.
const HANDLES_MAX: usize = 16;

pub(crate) struct Instance {
    store: Store<Guest>,
    wasm: Wasm,
    calls: u32,
}

impl Instance {
    /// A new instance. `time` is for its start functions and for all calls until [`Instance::begin`].
    pub(crate) fn new(
        pre: &InstancePre<Guest>,
        guest: Guest,
        limits: &CallLimits,
        time: Duration,
    ) -> Result<Self, Failure> {
        let mut store = Store::new(pre.engine(), guest);
        store.limiter(|guest| &mut guest.account);
        store.set_hostcall_fuel(limits.output_bytes);
        store.set_max_component_handles(HANDLES_MAX);
        store.set_epoch_deadline(ticks(time));
        match guarded(|| pre.instantiate(&mut store)) {
            Ok(wasm) => Ok(Self {
                store,
                wasm,
                calls: 0,
            }),
            Err(thrown) => Err(thrown.classify(store.data())),
        }
    }

    /// Gives a warm instance time and budgets for its next call.
    pub(crate) fn begin(&mut self, time: Duration) {
        self.store.data_mut().refill();
        self.store.set_epoch_deadline(ticks(time));
    }

    /// One call. On any failure the instance must be dropped.
    pub(crate) fn call<P, R>(
        &mut self,
        export: &ComponentExportIndex,
        params: P,
    ) -> Result<R, Failure>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift + 'static,
    {
        self.calls = self.calls.saturating_add(1);
        let (store, wasm) = (&mut self.store, &self.wasm);
        let answer = guarded(|| {
            wasm.get_typed_func::<P, R>(&mut *store, export)?
                .call(&mut *store, params)
        });
        answer.map_err(|thrown| thrown.classify(self.store.data()))
    }

    /// Whether a function has these types.
    pub(crate) fn check<P, R>(&mut self, export: &ComponentExportIndex) -> wasmtime::Result<()>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        self.wasm
            .get_typed_func::<P, R>(&mut self.store, export)
            .map(drop)
    }

    /// Whether it sent a log event since it was made.
    pub(crate) fn spoke(&self) -> bool {
        self.store.data().spoke
    }

    /// Calls answered so far.
    pub(crate) fn calls(&self) -> u32 {
        self.calls
    }

    /// Bytes of memory it has grown to.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.store.data().account.memory_bytes
    }
}

/// What ended a call early.
enum Thrown {
    Error(wasmtime::Error),
    /// The machinery around the call panicked. It must not take the gateway with it.
    Panic,
}

fn guarded<R>(call: impl FnOnce() -> wasmtime::Result<R>) -> Result<R, Thrown> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(answer) => answer.map_err(Thrown::Error),
        Err(_) => Err(Thrown::Panic),
    }
}

impl Thrown {
    fn classify(self, guest: &Guest) -> Failure {
        let Self::Error(error) = self else {
            return Failure::Trap("the host's side panicked");
        };
        if let Some(why) = guest.refusal {
            return Failure::HostFunction(why);
        }
        if error.is::<PoolConcurrencyLimitError>() {
            return Failure::QueueFull("all instances are in use");
        }
        let trap = error.downcast_ref::<Trap>();
        if trap == Some(&Trap::Interrupt) {
            return Failure::Deadline;
        }
        // A guest whose request for memory was refused dies of it in its own way.
        if guest.account.memory_refused {
            return Failure::Memory;
        }
        if guest.account.table_refused {
            return Failure::Table;
        }
        match trap {
            Some(trap) => Failure::Trap(trap_code(*trap)),
            None if is_output_too_large(&error) => Failure::OutputTooLarge,
            // Strings that are not UTF-8, lists outside memory, discriminants out of range.
            None => Failure::Trap("broke the canonical ABI"),
        }
    }
}

/// The error's type is private to the runtime; its text is fixed by the pinned version, and a test holds it.
fn is_output_too_large(error: &wasmtime::Error) -> bool {
    error
        .root_cause()
        .to_string()
        .contains("fuel allocated for hostcalls has been exhausted")
}

fn trap_code(trap: Trap) -> &'static str {
    match trap {
        Trap::StackOverflow => "stack overflow",
        Trap::MemoryOutOfBounds => "memory out of bounds",
        Trap::HeapMisaligned => "misaligned access",
        Trap::TableOutOfBounds => "table out of bounds",
        Trap::IndirectCallToNull => "indirect call to null",
        Trap::BadSignature => "indirect call of another type",
        Trap::IntegerOverflow => "integer overflow",
        Trap::IntegerDivisionByZero => "division by zero",
        Trap::BadConversionToInteger => "bad conversion to integer",
        Trap::UnreachableCodeReached => "unreachable",
        Trap::CannotEnterComponent => "re-entered",
        _ => "other",
    }
}
