#!/usr/bin/env bash
# Runs the whole suite: the contract on every runtime, the tests of the systems coflight replaces, memory, and all documentation.
# Installs what is missing, or says what is.
source "$(dirname "$0")/common.sh"
need_rust

if cargo nextest --version >/dev/null 2>&1; then
    step "tests"
    cargo nextest run --workspace --no-fail-fast "$@"
else
    # The same tests, in fewer processes.
    step "tests (cargo-nextest is not installed, so with cargo test)"
    cargo test --workspace --lib --tests --no-fail-fast "$@"
fi
step "documentation tests"
cargo test --workspace --doc --quiet
