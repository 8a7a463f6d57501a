//! The one engine: how code is compiled, how much of everything may exist at once, and the clock that
//! ends calls.
//!
//! The ticker starts with the engine, so no call ever runs without something to interrupt it. The
//! compiler is Cranelift, never Winch; wasm threads, relaxed SIMD, 64-bit memories, coredumps and
//! concurrency of the component model are off.

use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmFeatures,
};

/// Length of a tick of the clock that interrupts calls. Deadlines are in milliseconds; finer ticks would
/// cost wake-ups of an idle machine, coarser ones would let a spinning call run visibly over.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// A WebAssembly call stack may be so deep. Interpreters recurse; a tokio worker's stack is 2 MiB.
const STACK_BYTES_MAX: usize = 512 * 1024;

/// Core instances in one component: Rust needs 3, a dynamically linked Python about 30.
const CORE_INSTANCES_PER_COMPONENT: u32 = 64;

/// Linear memories in one component. Every known toolchain makes one.
const MEMORIES_PER_COMPONENT: u32 = 1;

/// Tables in one component: one, and one more for the adapter of imports.
const TABLES_PER_COMPONENT: u32 = 4;

/// Metadata of one instance, for functions, globals and tables. SpiderMonkey needs about 100 KiB.
const INSTANCE_BYTES_MAX: usize = 1024 * 1024;

/// How much of everything may exist at once.
#[derive(Clone, Debug)]
pub struct Capacity {
    /// Instances alive at once, warm ones of sessions included. Each reserves 4 GiB of address space (not
    /// memory) so that bounds checks are free: 1,000 take 4 TiB of the 128 TiB a process has. Address-space
    /// limits (`ulimit -v`) must allow it.
    pub instances: u32,
    /// The most memory any plugin may be granted, in bytes.
    pub memory_bytes_max: usize,
    /// The most table elements any plugin may be granted.
    pub table_elements_max: usize,
    /// Bytes of a memory that are reset by copying instead of being given back to the system when an
    /// instance ends: it saves the page faults of the next call. Resident cost: up to this, per slot used.
    pub keep_resident_bytes: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            instances: 1000,
            memory_bytes_max: 128 * 1024 * 1024,
            table_elements_max: 65_536,
            keep_resident_bytes: 512 * 1024,
        }
    }
}

/// Makes the engine and starts its clock.
pub(crate) fn start(capacity: &Capacity) -> wasmtime::Result<Engine> {
    let engine = Engine::new(&config(capacity))?;
    start_clock(&engine)?;
    Ok(engine)
}

fn config(capacity: &Capacity) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .cranelift_nan_canonicalization(true)
        .wasm_features(
            WasmFeatures::RELAXED_SIMD | WasmFeatures::MEMORY64 | WasmFeatures::MULTI_MEMORY,
            false,
        )
        .concurrency_support(false)
        .wasm_backtrace_max_frames(None::<NonZeroUsize>)
        .max_wasm_stack(STACK_BYTES_MAX)
        .memory_init_cow(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(capacity)));
    config
}

fn pool(capacity: &Capacity) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(capacity.instances)
        .total_memories(capacity.instances)
        // Rust components have three core instances; the largest may have CORE_INSTANCES_PER_COMPONENT.
        .total_core_instances(
            capacity
                .instances
                .saturating_mul(4)
                .max(CORE_INSTANCES_PER_COMPONENT),
        )
        .total_tables(capacity.instances.saturating_mul(2))
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_memories_per_module(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .max_tables_per_module(TABLES_PER_COMPONENT)
        .max_component_instance_size(INSTANCE_BYTES_MAX)
        .max_core_instance_size(INSTANCE_BYTES_MAX)
        .max_memory_size(capacity.memory_bytes_max)
        .table_elements(capacity.table_elements_max)
        .linear_memory_keep_resident(capacity.keep_resident_bytes)
        .table_keep_resident(64 * 1024)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Ticks for as long as the engine lives. Ticks are counted, not measured: when the machine stalls, calls
/// are given the time that the stall took from them.
fn start_clock(engine: &Engine) -> std::io::Result<()> {
    let weak = engine.weak();
    thread::Builder::new()
        .name("sandbox-clock".into())
        .spawn(move || {
            loop {
                thread::sleep(TICK);
                match weak.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        })?;
    Ok(())
}

/// The tick at which a call that may take `time` is interrupted. One more than the time, because the
/// current tick is already under way.
pub(crate) fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_millis())
        .unwrap_or(u64::MAX)
        .saturating_add(1)
}
