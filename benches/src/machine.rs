//! What the figures were measured on. Read from `/proc`; elsewhere the lines say less.

use std::fs;

/// Processor, cores, memory, kernel, and what else ran at the start, as a list.
pub(crate) fn facts() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".into());
    let memory = field("/proc/meminfo", "MemTotal").unwrap_or_else(|| "unknown".into());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "- {cores} × {model}; memory {memory}; Linux {}\n- files in {}\n- load average before: {}\n",
        kernel.trim(),
        std::env::temp_dir().display(),
        load_average(),
    )
}

/// What ran besides, at the end.
pub(crate) fn load() -> String {
    format!("- load average after: {}", load_average())
}

fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
