#!/usr/bin/env bash
# Flights that span processes: the engines' conformance, the promises on every runtime, and then real processes on a real redis-server: a thousand callers in each of
# eight, leaders killed and stopped, and everything that can go wrong, at random, for a time. `cluster.sh [SECONDS [SEED]]` says for how long; 60 s by
# default. Servers listen on loopback only, and are started and stopped by what needs them.
source "$(dirname "$0")/common.sh"
need_rust
need redis-server redis-server
need jq jq

export RUST_BACKTRACE="${RUST_BACKTRACE:-0}" COFLIGHT_CHAOS_SECONDS=${1:-60}
if [ -n "${2:-}" ]; then
    export COFLIGHT_CHAOS_SEED=$2
fi

fail() {
    echo "error: $*" >&2
    exit 1
}

# tests OPTION...: runs them, and stops at the first that fails, if it can.
tests() {
    if cargo nextest --version >/dev/null 2>&1; then
        cargo nextest run --cargo-quiet --status-level fail "$@"
    else
        cargo test --quiet --lib --tests "$@"
    fi
}

step "engines, and the promises on every runtime"
builds cargo test --quiet --no-run -p coflight-cluster -p coflight-redis
builds cargo test --quiet --no-run -p coflight-tests --test cluster --test opentelemetry
tests -p coflight-cluster -p coflight-redis || exit 1
tests -p coflight-tests --test cluster --test opentelemetry || exit 1

step "eight processes, a thousand callers in each, on a redis-server; then faults at random for $COFLIGHT_CHAOS_SECONDS s"
builds cargo test --quiet --no-run -p coflight-example-cluster
# One after the other: they measure how long callers wait.
cargo test --quiet -p coflight-example-cluster --test processes -- --nocapture --test-threads=1 || exit 1

step "the example"
builds cargo build --quiet -p coflight-example-cluster --example cluster
out=$(cargo run --quiet --example cluster -- --json) || fail "the example fails"
echo "$out" | jq -c '{round, executions: (.executions | length), killed, takeover_ms, ok, wrong, failed}'
echo "$out" | jq -es 'length == 2
    and all(.wrong == 0 and .failed == 0)
    and (.[0] | (.executions | length) == .keys and .ok == .processes * .callers)
    and (.[1] | .killed != null and .ok == (.processes - 1) * .callers)' >/dev/null || fail "the example says otherwise: $out"
