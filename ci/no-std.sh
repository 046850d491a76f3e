#!/usr/bin/env bash
# core for targets without std, with and without compare-and-swap, built for real.
source "$(dirname "$0")/common.sh"
need_msrv

build() {
    echo "  $*"
    msrv_cargo build --quiet --no-default-features -Zbuild-std=core,alloc "$@"
}

step "without std"
build -p coflight-core --target thumbv7em-none-eabi
build -p coflight-core --target thumbv7em-none-eabi --features critical-section
build -p coflight-core --target thumbv6m-none-eabi --features portable-atomic,critical-section
build -p coflight --lib --target thumbv7em-none-eabi
