# Recipes. `./dev RECIPE` runs them with everything they need installed; calling `just` directly works
# once it is. All of them build the whole workspace, so that cargo resolves features once and nothing
# is compiled twice.

set shell := ["bash", "-euo", "pipefail", "-c"]
set positional-arguments

export CARGO_TARGET_DIR := env("CARGO_TARGET_DIR", env("XDG_CACHE_HOME", home_directory() / ".cache") / "almoner/target")
export ALMONER_BIN := CARGO_TARGET_DIR / "debug/almoner"

# The list of recipes.
default:
    @just --list

# The standard plugins as WebAssembly components; the binary carries them, so they come first.
guests:
    @cargo run --quiet -p almoner-componentize --bin almoner-guests

# Guests and all binaries.
build: guests
    @cargo build --workspace --all-targets

# The product, told as a story.
demo *arguments: build
    @"$ALMONER_BIN" demo "$@"

# The binary, with arguments.
run *arguments: build
    @"$ALMONER_BIN" "$@"

# Formatting and lints.
lint: guests
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# Everything CI asks for. Nextest comes last: its summary is the last thing printed.
test: lint build
    cargo test --workspace --doc
    just _runner --workspace

# End-to-end tests only.
e2e *filter: build
    just _runner -p almoner-tests "$@"

# The benchmarks, with the house's own crates as fast as in a release. The dependencies are that always, so
# only the own crates are compiled once more. The two binaries are kept apart from those of other builds.
bench *arguments: guests
    #!/usr/bin/env bash
    set -euo pipefail
    export CARGO_PROFILE_DEV_OPT_LEVEL=3 CARGO_PROFILE_DEV_INCREMENTAL=false
    export CARGO_PROFILE_DEV_DEBUG_ASSERTIONS=false CARGO_PROFILE_DEV_OVERFLOW_CHECKS=false
    cargo build --quiet --workspace --bins
    mkdir -p "$CARGO_TARGET_DIR/bench"
    cp "$CARGO_TARGET_DIR/debug/almoner" "$CARGO_TARGET_DIR/debug/almoner-bench" "$CARGO_TARGET_DIR/bench/"
    export ALMONER_BIN="$CARGO_TARGET_DIR/bench/almoner"
    exec "$CARGO_TARGET_DIR/bench/almoner-bench" "$@"

# Fuzzing needs a nightly toolchain and `cargo install cargo-fuzz`; without them,
# `cargo check --manifest-path fuzz/Cargo.toml` at least shows that the targets build.
#
# Fuzzes a codec until stopped: frontend, backend, startup, copy_text, copy_csv or scram.
fuzz target *arguments:
    cargo +nightly fuzz run "$@"

[private]
_runner *arguments:
    #!/usr/bin/env bash
    set -euo pipefail
    if cargo nextest --version >/dev/null 2>&1; then
        exec cargo nextest run "$@"
    fi
    # Without nextest: cargo's own runner, the documentation's examples apart.
    exec cargo test --lib --bins --tests "$@"
