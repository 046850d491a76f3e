#!/usr/bin/env bash
# Builds the examples as a user would and holds the main one to what the README says of it.
source "$(dirname "$0")/common.sh"
need_rust

step "examples"
cargo build --release --examples --quiet
cargo run --release --quiet --example basic
cargo run --release --quiet --example own_executor

step "stampede on the database, every runtime"
lines=$(cargo run --release --quiet --example stampede -- --json --scenario database --runtime all)
echo "$lines"
count() {
    grep -c "$1" <<<"$lines" || true
}
[ "$(count '"wrong":0,"failed":0')" = 10 ] || { echo "error: a caller got a wrong answer, or none" >&2; exit 1; }
[ "$(count '"coalesced":true.*"ok":100.*"backend_calls":1,')" = 5 ] || { echo "error: not one call when coalesced" >&2; exit 1; }
[ "$(count '"coalesced":false.*"ok":100.*"backend_calls":100,')" = 5 ] || { echo "error: not a hundred calls when not" >&2; exit 1; }

step "stampede says what is wrong with its arguments"
status=0
message=$(cargo run --release --quiet --example stampede -- --runtime none 2>&1) || status=$?
echo "$message"
[ "$status" = 2 ] && [ "$(wc -l <<<"$message")" = 1 ] || { echo "error: expected one line and exit code 2, got $status" >&2; exit 1; }
