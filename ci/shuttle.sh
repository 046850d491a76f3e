#!/usr/bin/env bash
# Random schedules of ten tasks and ten threads on three keys. `ci/shuttle.sh [SCHEDULES] [SEED]`: 2,000 of each mix by default, from
# seed 1. A schedule that fails is kept; `ci/shuttle.sh replay TEST FILE` takes the same steps again.
source "$(dirname "$0")/common.sh"
need_rust

export RUSTFLAGS="--cfg shuttle ${RUSTFLAGS:-}"
export CARGO_TARGET_DIR=target/shuttle
# It warns that it takes every atomic for the strictest; what weaker ones allow is tried by loom.
export SHUTTLE_SILENCE_WARNINGS=1
failed=$PWD/target/shuttle/failed

filter=()
if [ "${1:-}" = replay ]; then
    if [ $# != 3 ] || [ ! -e "$3" ]; then
        echo "usage: ci/shuttle.sh replay TEST FILE" >&2
        exit 3
    fi
    SHUTTLE_REPLAY=$(realpath "$3")
    export SHUTTLE_REPLAY
    filter=(--exact "$2")
else
    export SHUTTLE_SCHEDULES="${1:-2000}" SHUTTLE_SEED="${2:-1}" SHUTTLE_FAILED=$failed
    rm -rf "$failed"
fi

step "shuttle"
builds cargo test --quiet --release --package coflight-core --test shuttle --no-run
log=$(mktemp)
status=0
timeout 3600 cargo test --quiet --release --package coflight-core --test shuttle -- --nocapture "${filter[@]}" >"$log" 2>&1 || status=$?
if [ $status != 0 ]; then
    cat "$log"
    echo "error: failed" >&2
    for schedule in "$failed"/*/*; do
        # In a copy, if a bug was planted.
        [ -n "${SHUTTLE_REPLAY:-}" ] || [ ! -e "$schedule" ] || echo "the same steps again: cd $PWD && ci/shuttle.sh replay $(basename "$(dirname "$schedule")") $schedule" >&2
    done
    exit 1
fi
grep -o 'shuttle: .*' "$log" | sort || {
    echo "error: nothing was run" >&2
    exit 3
}
rm "$log"
