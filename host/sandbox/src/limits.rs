//! What one call of a plugin may use, and the account kept of it while it runs.
//!
//! The account only refuses and remembers; what a refusal means is decided by `instance.rs`, which sees
//! whether the plugin survived it.

use std::time::Duration;

use wasmtime::ResourceLimiter;

/// What one call may use. Instances kept warm keep their memory limit between calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// Time for the answer, waiting for a thread included.
    pub deadline: Duration,
    /// Linear memory, in bytes.
    pub memory_bytes: usize,
    /// Elements of all tables together.
    pub table_elements: usize,
    /// Bytes the plugin may hand to the host in one crossing: its answer, or the arguments of a host function.
    pub output_bytes: usize,
    /// Log events; those beyond are counted and dropped.
    pub events: u32,
    /// Values looked up in word sets, and values made pseudonyms. Beyond: the call fails.
    pub lookups: u32,
}

impl Default for CallLimits {
    /// Guards answer in microseconds; 50 ms is an outer bound that a person would not notice. 64 MiB hold
    /// a Python or JavaScript interpreter. 1 MiB holds a rewritten statement or 40,000 findings.
    fn default() -> Self {
        Self {
            deadline: Duration::from_millis(50),
            memory_bytes: 64 * 1024 * 1024,
            table_elements: 65_536,
            output_bytes: 1024 * 1024,
            events: 32,
            lookups: 65_536,
        }
    }
}

impl CallLimits {
    /// For detectors: interpreters need 12 ms for a thousand cells, so that 250 ms is generous.
    pub fn detector() -> Self {
        Self {
            deadline: Duration::from_millis(250),
            ..Self::default()
        }
    }
}

/// Instances in one store: the component's core instances.
const INSTANCES_MAX: usize = 64;

/// The account of one instance.
pub(crate) struct Account {
    memory_bytes_max: usize,
    table_elements_max: usize,
    /// Bytes of memory in use.
    pub(crate) memory_bytes: usize,
    /// A larger memory was asked for and refused.
    pub(crate) memory_refused: bool,
    /// A larger table was asked for and refused.
    pub(crate) table_refused: bool,
}

impl Account {
    pub(crate) fn new(limits: &CallLimits) -> Self {
        Self {
            memory_bytes_max: limits.memory_bytes,
            table_elements_max: limits.table_elements,
            memory_bytes: 0,
            memory_refused: false,
            table_refused: false,
        }
    }
}

impl ResourceLimiter for Account {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let others = self.memory_bytes.saturating_sub(current);
        let wanted = others.saturating_add(desired);
        let refused = wanted > self.memory_bytes_max || maximum.is_some_and(|most| desired > most);
        self.memory_refused |= refused;
        if !refused {
            self.memory_bytes = wanted;
        }
        Ok(!refused)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory_refused = true;
        Ok(())
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let refused =
            desired > self.table_elements_max || maximum.is_some_and(|most| desired > most);
        self.table_refused |= refused;
        Ok(!refused)
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.table_refused = true;
        Ok(())
    }

    fn instances(&self) -> usize {
        INSTANCES_MAX
    }
}
