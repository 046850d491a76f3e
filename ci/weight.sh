#!/usr/bin/env bash
# What each feature brings along: how many crates of others, and, with `ci/weight.sh time`, how long a debug build of it takes from nothing. Prints the README's table, and
# fails if the README says something else about the crates.
source "$(dirname "$0")/common.sh"
need_rust

table='| features | crates of others | built from nothing in |
|---|---|---|'
for features in "" std tokio smol async-std blocking macros metrics tracing tower board cluster redis; do
    # Of programs that run, not of their tests.
    crates=$(cargo tree --quiet -e normal,build -p coflight --no-default-features --features "$features" --prefix none |
        sed 's/ .*//' | sort -u | grep -vc '^coflight')
    seconds=""
    if [ "${1:-}" = time ]; then
        folder=$(mktemp -d)
        began=$(date +%s%N)
        CARGO_TARGET_DIR=$folder cargo build --quiet -p coflight --no-default-features --features "$features"
        seconds=$(awk -v took=$(($(date +%s%N) - began)) 'BEGIN { printf "%.0f s", took / 1e9 }')
        rm -rf "$folder"
    fi
    name=none
    [ -z "$features" ] || name="\`$features\`"
    table+=$'\n'"| $name | $crates | $seconds |"
done
echo "$table"

crates() { cut -d'|' -f1-3; }
said=$(sed -n '/<!-- ci\/weight.sh -->/,/<!-- end -->/p' README.md | grep -F '|' || true)
diff <(crates <<<"$said") <(crates <<<"$table") || {
    echo "error: README.md says something else about the crates: put this table there (with ci/weight.sh time)" >&2
    exit 1
}
