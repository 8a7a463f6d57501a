//! What the gateway offers a plugin: a log, word sets, keyed tokens. Nothing else can be reached.
//!
//! Natively, for tests, the log goes nowhere, word sets are those that the test put up with
//! [`lookup::with_set`],
//! and tokens are stand-ins that say so.

/// Events for operators.
pub mod log {
    /// How much it matters.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Level {
        /// For authors.
        Debug,
        /// For the record.
        Info,
        /// Someone should look.
        Warn,
        /// Something is broken.
        Error,
    }

    /// Logs a code that the manifest declares. `detail` may hold protected values: the gateway drops it unless
    /// an operator turned capture on.
    pub fn event(level: Level, code: &str, detail: Option<&str>) {
        #[cfg(target_arch = "wasm32")]
        crate::guest::log(level, code, detail);
        #[cfg(not(target_arch = "wasm32"))]
        let _ = (level, code, detail);
    }
}

/// Operator-mounted, read-only word sets.
pub mod lookup {
    /// For each value, whether the set holds it. Asking for a set that no operator mounted fails the call: "not in
    /// it" could let something pass.
    #[cfg(target_arch = "wasm32")]
    pub fn contains(set: &str, values: &[String]) -> Vec<bool> {
        crate::guest::contains(set, values)
    }

    /// For each value, whether the set holds it. In a unit test a set that was not given holds nothing; in the gateway
    /// asking for it fails the call.
    ///
    /// ```
    /// use almoner_plugin_sdk::lookup;
    /// let found = lookup::with_set("wards", ["north"], || lookup::contains("wards", &["north".into()]));
    /// assert_eq!(found, [true]);
    /// ```
    #[cfg(not(target_arch = "wasm32"))]
    pub fn contains(set: &str, values: &[String]) -> Vec<bool> {
        SETS.with_borrow(|sets| {
            let words = sets.get(set);
            values
                .iter()
                .map(|value| words.is_some_and(|words| words.contains(value)))
                .collect()
        })
    }

    #[cfg(not(target_arch = "wasm32"))]
    type Sets = std::collections::BTreeMap<String, std::collections::BTreeSet<String>>;

    #[cfg(not(target_arch = "wasm32"))]
    thread_local! {
        static SETS: std::cell::RefCell<Sets> = const { std::cell::RefCell::new(Sets::new()) };
    }

    /// Runs `test` with a word set in place, on this thread. For native tests.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn with_set<W: Into<String>, T>(
        set: &str,
        words: impl IntoIterator<Item = W>,
        test: impl FnOnce() -> T,
    ) -> T {
        let words = words.into_iter().map(Into::into).collect();
        let before = SETS.with_borrow_mut(|sets| sets.insert(set.to_owned(), words));
        let result = test();
        SETS.with_borrow_mut(|sets| match before {
            Some(words) => sets.insert(set.to_owned(), words),
            None => sets.remove(set),
        });
        result
    }
}

/// Keyed tokens, for transformers. The key never enters the sandbox.
pub mod pseudonym {
    /// A token for `value`, stable within `domain`.
    #[cfg(target_arch = "wasm32")]
    pub fn token(domain: &str, value: &str) -> String {
        crate::guest::token(domain, value)
    }

    /// A stand-in for native tests: stable, not keyed, and marked so that nobody takes it for the real one.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn token(domain: &str, value: &str) -> String {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        (domain, value).hash(&mut hasher);
        format!("test-{:016x}", hasher.finish())
    }
}
