#!/usr/bin/env bash
# The benchmark beside the peers: `ci/peers.sh` runs a few of its scenarios, to see that it works, and holds allocations, which do not depend on the
# machine, to the budget; `ci/peers.sh all` runs all of them. Times are for reading: see docs/performance.md.
source "$(dirname "$0")/common.sh"
need_rust

step "beside the peers"
builds cargo build --release --quiet -p coflight-bench-peers
scenarios=(--only solo_u64 --only fan_in_1000)
[ "${1:-}" != all ] || scenarios=()
lines=$("${CARGO_TARGET_DIR:-target}/release/coflight-bench-peers" --json "${scenarios[@]}")
echo "$lines"

# allocations SCENARIO MOST: of `run`, a call.
allocations() {
    local made
    made=$(grep "\"scenario\":\"$1\"" <<<"$lines" | grep '"subject":"coflight-run"' | grep -o '"allocs":[0-9.]*' | cut -d: -f2 || true)
    awk -v made="$made" -v most="$2" 'BEGIN { exit !(made != "" && made <= most) }' || {
        echo "error: $1: '$made' allocations a call, at most $2 are allowed" >&2
        exit 1
    }
}
allocations solo_u64 1
# With the box that the benchmark puts each caller in, the flight, and its list of those who wait.
allocations fan_in_1000 1.01
