#!/usr/bin/env bash
# Model checking: each race of core on its own, in every order of steps with a bounded number of preemptions.
# `ci/loom.sh long` allows one more preemption in each model, which takes many times as long.
# `ci/loom.sh NAME…` runs the models whose names contain one of these.
source "$(dirname "$0")/common.sh"
need_rust

export RUSTFLAGS="--cfg loom ${RUSTFLAGS:-}"
export CARGO_TARGET_DIR=target/loom
# loom keeps its own account of what runs where; with less to say it is faster.
export RUST_BACKTRACE=0
if [ "${1:-}" = long ]; then
    shift
    export LOOM_MORE_PREEMPTIONS=1
fi

step "loom"
builds cargo test --quiet --release --package coflight-core --test loom --no-run
log=$(mktemp)
status=0
cargo test --quiet --release --package coflight-core --test loom -- --nocapture "$@" >"$log" 2>&1 || status=$?
if [ $status != 0 ]; then
    cat "$log"
    echo "error: a model failed; run it alone with LOOM_LOG=1 to see the steps" >&2
    exit 1
fi
grep -q 'loom: ' "$log" || {
    echo "error: there is no such model: $*" >&2
    exit 3
}
grep -o 'loom: .*' "$log" | sort
grep -o 'loom: .*' "$log" | awk '{ models++; for (i = 1; i < NF; i++) if ($(i + 1) ~ /^executions/) all += $i }
    END { printf "models: %d, executions: %d\n", models, all }'
rm "$log"
