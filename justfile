# Everything that CI runs, and what one runs by hand. `just` alone lists it.

set shell := ["bash", "-euo", "pipefail", "-c"]

# cargo-fuzz needs unstable compiler flags, the crate itself builds on stable. Without a sanitizer: the code is safe Rust,
# what a target looks for are panics, broken properties and endless loops. The dev profile checks overflows and builds in half the time.
fuzz_flags := "--dev --sanitizer none --target-dir target/fuzz"
fuzz_targets := `sed -n 's|^path = "fuzz_targets/\(.*\)\.rs"|\1|p' fuzz/Cargo.toml | tr '\n' ' '`

[private]
default:
    @just --list --unsorted

# everything that must hold before a change lands
ci: fmt clippy test docs deny fuzz-smoke interop

fmt:
    cargo fmt --all --check
    cargo fmt --manifest-path fuzz/Cargo.toml --check

clippy:
    cargo clippy --workspace --all-targets --locked -- -D warnings

test:
    cargo test --workspace --locked

docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked

# licences, bans and sources; the advisory database is asked by the scheduled workflow
deny:
    cargo deny check bans licenses sources

# one target until it is stopped or finds something: just fuzz sasl
fuzz target *arguments: (fuzz-build target)
    mkdir -p fuzz/corpus/{{ target }}
    RUSTC_BOOTSTRAP=1 cargo fuzz run {{ fuzz_flags }} {{ target }} fuzz/corpus/{{ target }} fuzz/seeds/{{ target }} -- -timeout=5 {{ arguments }}

# Not a parameter of the recipe: it would take the name of the next recipe for its value, and fuzz without end.
smoke_seconds := "5"

# every target for a few seconds, from its seeds
fuzz-smoke: (fuzz-build "")
    @for target in {{ fuzz_targets }}; do \
        just fuzz "$target" -max_total_time={{ smoke_seconds }} -verbosity=0 -print_final_stats=1 > target/fuzz/log 2>&1 \
            || { cat target/fuzz/log; exit 1; }; \
        echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' target/fuzz/log) inputs, none that breaks a rule"; \
    done

[private]
fuzz-build target:
    RUSTC_BOOTSTRAP=1 cargo fuzz build {{ fuzz_flags }} {{ target }}

# real Dovecot and Postfix upstream, real clients downstream
interop:
    cargo build --locked --workspace --bins
    tests/interop/run

# the numbers of docs/benchmarks.md, measured on this machine: just bench, or just bench idle
bench *parts:
    ulimit -n "$(ulimit -H -n)" && cargo bench --locked --bench load -- {{ parts }}

# the whole chain on this machine, against the built-in stand-in
demo *arguments:
    cargo run --release --locked -- demo {{ arguments }}
