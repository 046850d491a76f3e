#!/usr/bin/env bash
# Runs the whole suite: the contract on every runtime, the tests of the systems coflight replaces, memory, and all documentation.
# Installs what is missing, or says what is.
source "$(dirname "$0")/common.sh"
need_rust

# They have no tests, and what they depend on takes long to build.
benches=(--exclude coflight-bench-peers --exclude coflight-bench-instructions)

if cargo nextest --version >/dev/null 2>&1; then
    step "tests"
    cargo nextest run --workspace "${benches[@]}" --no-fail-fast "$@"
else
    # The same tests, in fewer processes.
    step "tests (cargo-nextest is not installed, so with cargo test)"
    cargo test --workspace "${benches[@]}" --lib --tests --no-fail-fast "$@"
fi
step "documentation tests"
cargo test --workspace "${benches[@]}" --doc --quiet
