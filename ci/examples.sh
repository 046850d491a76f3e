#!/usr/bin/env bash
# Builds the examples as a user would and holds the main one to what the README says of it.
source "$(dirname "$0")/common.sh"
need_rust

step "examples"
cargo build --release --examples --quiet
cargo run --release --quiet --example basic
cargo run --release --quiet --example own_executor

step "one attribute, one execution"
lines=$(cargo run --release --quiet --example attribute)
echo "$lines"
[ "$(grep -c '100 callers, 1 execution' <<<"$lines")" = 2 ] || { echo "error: more than one execution, or none" >&2; exit 1; }

step "metrics agree with the accounts"
cargo run --release --quiet --example metrics | tail -n 20

step "stampede on the database, every runtime"
count() {
    grep -c "$1" <<<"$lines" || true
}
# A caller that the scheduler keeps from asking until the first query is over asks again, and rightly; on a machine that is
# busy with something else that can happen, so this is tried up to three times.
for attempt in 1 2 3; do
    lines=$(cargo run --release --quiet --example stampede -- --json --scenario database --runtime all)
    echo "$lines"
    [ "$(count '"ok":100,"wrong":0,"failed":0')" = 10 ] || { echo "error: a caller got a wrong answer, or none" >&2; exit 1; }
    [ "$(count '"coalesced":false.*"backend_calls":100,')" = 5 ] || { echo "error: not a hundred calls when not coalesced" >&2; exit 1; }
    [ "$(count '"coalesced":true.*"backend_calls":1,')" != 5 ] || break
    [ "$attempt" != 3 ] || { echo "error: more than one call when coalesced" >&2; exit 1; }
done

step "stampede says what is wrong with its arguments"
status=0
message=$(cargo run --release --quiet --example stampede -- --runtime none 2>&1) || status=$?
echo "$message"
[ "$status" = 2 ] && [ "$(wc -l <<<"$message")" = 1 ] || { echo "error: expected one line and exit code 2, got $status" >&2; exit 1; }
