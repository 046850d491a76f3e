#!/usr/bin/env bash
# Random schedules of ten tasks and ten threads on three keys. `ci/shuttle.sh [SCHEDULES] [SEED]`: 2,000 of each mix by default, from
# seed 1. A schedule that failed is printed; SHUTTLE_REPLAY=<schedule> takes the same steps again.
source "$(dirname "$0")/common.sh"
need_rust

export RUSTFLAGS="--cfg shuttle ${RUSTFLAGS:-}"
export CARGO_TARGET_DIR=target/shuttle
export SHUTTLE_SCHEDULES="${1:-2000}" SHUTTLE_SEED="${2:-1}"
# It warns that it takes every atomic for the strictest; what weaker ones allow is tried by loom.
export SHUTTLE_SILENCE_WARNINGS=1

step "shuttle"
builds cargo test --quiet --release --package coflight-core --test shuttle --no-run
log=$(mktemp)
status=0
timeout 3600 cargo test --quiet --release --package coflight-core --test shuttle -- --nocapture >"$log" 2>&1 || status=$?
if [ $status != 0 ]; then
    cat "$log"
    echo "error: failed; the schedule above replays it: SHUTTLE_REPLAY=<schedule> SHUTTLE_SCHEDULES=1 ci/shuttle.sh" >&2
    exit 1
fi
grep -o 'shuttle: .*' "$log" | sort
rm "$log"
