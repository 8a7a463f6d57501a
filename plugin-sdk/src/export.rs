//! The one macro: turns a type that implements a kind of plugin into the exports of its world.

/// Exports a plugin: `export!(Guard, MyType);` with `Guard`, `Approval`, `Detector` or `Transformer`.
///
/// Once per crate, at its root. On targets other than `wasm32` it only checks that the type implements the trait,
/// so the same crate runs its unit tests natively. The crate wants `crate-type = ["cdylib", "rlib"]`.
#[macro_export]
macro_rules! export {
    (Guard, $plugin:ty) => {
        $crate::__export!(Guard, $plugin, guard);
    };
    (Approval, $plugin:ty) => {
        $crate::__export!(Approval, $plugin, approval);
    };
    (Detector, $plugin:ty) => {
        $crate::__export!(Detector, $plugin, detector);
    };
    (Transformer, $plugin:ty) => {
        $crate::__export!(Transformer, $plugin, transformer);
    };
}

/// The exports exist on wasm32 only: elsewhere their names would collide in a process that links several plugins.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($kind:ident, $plugin:ty, $interface:ident) => {
        const _: () = {
            const fn implements<T: $crate::$kind>() {}
            implements::<$plugin>();
        };

        #[cfg(target_arch = "wasm32")]
        #[allow(
            unsafe_code,
            reason = "the canonical ABI hands over raw pointers; this code is generated"
        )]
        const _: () = {
            type Component = $crate::guest::Component<$plugin>;
            $crate::guest::bindings::lifecycle::export!(
                Component with_types_in $crate::guest::bindings::lifecycle
            );
            $crate::guest::bindings::$interface::export!(
                Component with_types_in $crate::guest::bindings::$interface
            );
        };
    };
}
