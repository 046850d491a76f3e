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
    # What is said of it is what the patch says.
    row="| \`$(basename "$patch" .patch)\` | $(sed -n 1p "$patch") | $(sed -n 's/^Caught by: //p' "$patch") |"
    grep -qF "$row" docs/verification.md || {
        echo "error: docs/verification.md should have this row: $row" >&2
        exit 1
    }
done
# And no more rows than patches, and their number.
bugs=$(find ci/bugs -name '*.patch' | wc -l)
runs=$(sed -n 's/^Caught by: //p' ci/bugs/*.patch | tr ',' '\n' | wc -l)
rows=$(sed -n '/^### Planted bugs$/,/^## /p' docs/verification.md | grep -c '^| `' || true)
[ "$rows" = "$bugs" ] || { echo "error: docs/verification.md has $rows rows of planted bugs, but there are $bugs" >&2; exit 1; }
grep -qF "$bugs bugs, which $runs runs of scripts must notice" docs/verification.md || {
    echo "error: docs/verification.md should say: $bugs bugs, which $runs runs of scripts must notice" >&2
    exit 1
}
step "lints"
cargo clippy --workspace --all-targets --quiet -- -D warnings
cargo clippy -p coflight-core --no-default-features --quiet -- -D warnings
step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
# Without what only `std` has.
RUSTDOCFLAGS="-D warnings" cargo doc -p coflight-core --no-default-features --no-deps --quiet
