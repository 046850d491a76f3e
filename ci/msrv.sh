#!/usr/bin/env bash
# The libraries, all of them, with the oldest Rust version they support.
source "$(dirname "$0")/common.sh"
need_msrv

step "Rust $(/usr/bin/rustc --version | cut -d' ' -f2)"
msrv_cargo check --quiet -p coflight-core -p coflight-tokio -p coflight-smol -p coflight-async-std -p coflight-blocking
msrv_cargo check --quiet -p coflight-board -p coflight-cluster -p coflight-metrics -p coflight-redis -p coflight-tower -p coflight-tracing -p coflight-macros
msrv_cargo check --quiet -p coflight --lib --all-features
