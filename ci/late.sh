#!/usr/bin/env bash
# The tests on a machine at its worst: ./ci/late.sh [rounds] [what to test, for nextest]. Tasks, callers and timers are late by chance, by up to 30 ms,
# in which others get far, and virtual time passes. A test that fails here alone races the scheduler, or has found something.
source "$(dirname "$0")/common.sh"
need_rust

rounds=${1:-3}
shift || true
# What does not compile cannot be late.
[ $# -gt 0 ] || set -- -E 'not binary(errors)'
export COFLIGHT_TEST_LATE=1

for round in $(seq "$rounds"); do
    step "late, round $round of $rounds"
    # Who is late needs no processor meanwhile.
    if cargo nextest --version >/dev/null 2>&1; then
        cargo nextest run -p coflight-tests --no-fail-fast --status-level fail --test-threads 14 "$@"
    else
        cargo test -p coflight-tests --tests --no-fail-fast --quiet -- --test-threads 14
    fi
done
