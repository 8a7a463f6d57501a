//! What wit-bindgen generates from `wit/`, one module per interface that a plugin exports.
//!
//! Each module is a small world of its own; the worlds that a crate exports are merged when it becomes a component,
//! so lifecycle + guard make up `guard-plugin`. (Generating the published worlds instead would generate lifecycle
//! four times, and the macros that export it would collide.) The shared types are generated once, with lifecycle.

#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "generated code; the canonical ABI hands over raw pointers"
)]

pub mod lifecycle {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "package almoner:sdk-lifecycle;
            world lifecycle {
                import almoner:plugin/types@0.1.0;
                import almoner:plugin/log@0.1.0;
                import almoner:plugin/lookup@0.1.0;
                import almoner:plugin/pseudonym@0.1.0;
                export almoner:plugin/lifecycle@0.1.0;
            }",
        generate_all,
        generate_unused_types: true,
        pub_export_macro: true,
    });
}

/// One kind of plugin: the interface it exports, speaking the types generated above.
macro_rules! kind {
    ($module:ident, $world:tt) => {
        pub mod $module {
            wit_bindgen::generate!({
                path: "../wit",
                inline: $world,
                with: {
                    "almoner:plugin/types@0.1.0": crate::guest::bindings::lifecycle::almoner::plugin::types,
                },
                generate_all,
                pub_export_macro: true,
            });
        }
    };
}

kind!(
    guard,
    "package almoner:sdk-guard; world guard { export almoner:plugin/guard@0.1.0; }"
);
kind!(
    approval,
    "package almoner:sdk-approval; world approval { export almoner:plugin/approval@0.1.0; }"
);
kind!(
    detector,
    "package almoner:sdk-detector; world detector { export almoner:plugin/detector@0.1.0; }"
);
kind!(
    transformer,
    "package almoner:sdk-transformer; world transformer { export almoner:plugin/transformer@0.1.0; }"
);
