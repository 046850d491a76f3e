#!/usr/bin/env bash
# The soak: ./ci/soak.sh [seconds] [seed]. Random programs on tokio, smol, async-std and threads at once; after each round everything must add up. A seed
# gives the same programs again.
source "$(dirname "$0")/common.sh"
need_rust

# Rounds enough to see whether memory grows.
export SOAK_MUST_COMPARE=1

step "soak"
builds cargo build --release --quiet -p coflight-tests --bin soak
"${CARGO_TARGET_DIR:-target}/release/soak" "${1:-10}" ${2:+"$2"}
