//! The standard plugins, carried by the binary: components built from `plugins/` before the gateway is,
//! with their golden vectors.

/// Names after `builtin:`.
pub const BUILTIN_NAMES: [&str; 4] = ["phi", "sql-guard", "http-guard", "bulk-export"];

/// A component and its golden vectors.
pub fn builtin_component(name: &str) -> Option<(&'static [u8], &'static [u8])> {
    let (wasm, golden): (&[u8], &[u8]) = match name {
        "phi" => (
            include_bytes!(concat!(env!("ALMONER_GUESTS"), "/phi.wasm")),
            include_bytes!("../../../../plugins/phi/phi.golden.json"),
        ),
        "sql-guard" => (
            include_bytes!(concat!(env!("ALMONER_GUESTS"), "/sql-guard.wasm")),
            include_bytes!("../../../../plugins/sql-guard/sql-guard.golden.json"),
        ),
        "http-guard" => (
            include_bytes!(concat!(env!("ALMONER_GUESTS"), "/http-guard.wasm")),
            include_bytes!("../../../../plugins/http-guard/http-guard.golden.json"),
        ),
        "bulk-export" => (
            include_bytes!(concat!(env!("ALMONER_GUESTS"), "/bulk-export.wasm")),
            include_bytes!("../../../../plugins/bulk-export/bulk-export.golden.json"),
        ),
        _ => return None,
    };
    Some((wasm, golden))
}
