#!/usr/bin/env bash
# The firmware of examples/firmware, built for a core with compare-and-swap and for one without, and booted on both.
source "$(dirname "$0")/common.sh"
need_msrv
need qemu-system-arm qemu-system-arm
need timeout coreutils
need size binutils

# rustc finds the linker that comes with it by itself; Debian's comes without one.
linker=$(find "$(rustc --print sysroot)" -name rust-lld -type f -print -quit 2>/dev/null)
if [ -z "$linker" ]; then
    need ld.lld lld
    linker=ld.lld
fi
export CARGO_TARGET_THUMBV7M_NONE_EABI_LINKER=$linker CARGO_TARGET_THUMBV6M_NONE_EABI_LINKER=$linker

# firmware TARGET CPU MACHINE [OPTION...]: builds it so, boots it, and fails as it fails.
firmware() {
    local target=$1 cpu=$2 machine=$3 image=target/msrv/$1/release/firmware status=0
    shift 3
    step "firmware: $cpu"
    builds msrv_cargo build --quiet --release --locked --manifest-path examples/firmware/Cargo.toml \
        --config examples/firmware/.cargo/config.toml -Zbuild-std=core,alloc --target "$target" "$@"
    size "$image"
    local log=target/msrv/$target/firmware.log
    timeout --kill-after=5 60 qemu-system-arm -cpu "$cpu" -machine "$machine" -nographic -icount shift=6 \
        -semihosting-config enable=on,target=native -kernel "$image" </dev/null 2>&1 | tee "$log" || status=${PIPESTATUS[0]}
    [ "$status" != 0 ] || return 0
    echo "error: the firmware ended with $status" >&2
    # Or it did not even begin.
    grep -qE '^(ok|FAILED): ' "$log" && exit 1 || exit 3
}

firmware thumbv7m-none-eabi cortex-m3 lm3s6965evb
firmware thumbv6m-none-eabi cortex-m0 microbit --features no-cas
