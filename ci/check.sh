#!/usr/bin/env bash
# Format, lints and documentation, with warnings denied.
source "$(dirname "$0")/common.sh"
need_rust

step "format"
cargo fmt --all --check
step "planted bugs still fit the code"
for patch in ci/bugs/*.patch; do
    git apply --check "$patch" || {
        echo "error: make it anew: $patch" >&2
        exit 1
    }
done
step "lints"
cargo clippy --workspace --all-targets --quiet -- -D warnings
cargo clippy -p coflight-core --no-default-features --quiet -- -D warnings
step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
