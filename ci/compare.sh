#!/usr/bin/env bash
# The README's table beside other crates: what becomes of the callers when something goes wrong, tried out. Prints it, and fails if the README says something
# else, but for numbers, which differ a little from run to run.
source "$(dirname "$0")/common.sh"
need_rust

step "what becomes of the callers, here and in other crates"
builds cargo build --release --quiet -p coflight-bench-peers
table=$("${CARGO_TARGET_DIR:-target}/release/coflight-bench-peers" --behaviour)
echo "$table"

# Whether works of other crates meet within a second is a matter of luck.
rough() { sed -E -e '/^\| coflight/!s/\*\*several\*\*: [^|]*/one /' -e 's/[0-9]+/N/g'; }
said=$(sed -n '/<!-- ci\/compare.sh -->/,/<!-- end -->/p' README.md | grep -F '|' || true)
diff <(rough <<<"$said") <(rough <<<"$table") || {
    echo "error: README.md says something else: put this table there" >&2
    exit 1
}
