#!/usr/bin/env bash
# Runs the whole suite: the contract on every runtime, the tests of the systems coflight replaces, memory, and all documentation.
# Takes what is there: without cargo-nextest it runs them by `cargo test`, and without a redis-server it leaves out what needs one, which ci/cluster.sh runs. It says so.
source "$(dirname "$0")/common.sh"
need_rust

left_out=()
# They have no tests, and what they depend on takes long to build.
untested=(--exclude coflight-bench-peers --exclude coflight-bench-instructions --exclude coflight-example-axum --exclude coflight-example-actix)

if ! command -v redis-server >/dev/null; then
    left_out+=("what needs a redis-server, which is not installed: ./ci/cluster.sh installs it, and runs that")
    untested+=(--exclude coflight-redis --exclude coflight-example-cluster)
fi

if cargo nextest --version >/dev/null 2>&1; then
    step "tests"
    cargo nextest run --workspace "${untested[@]}" --no-fail-fast "$@"
else
    # The same tests, in fewer processes.
    step "tests (cargo-nextest is not installed, so with cargo test)"
    cargo test --workspace "${untested[@]}" --lib --tests --no-fail-fast "$@"
fi
step "documentation tests"
cargo test --workspace "${untested[@]}" --doc --quiet
for what in "${left_out[@]}"; do
    echo "left out: $what"
done
