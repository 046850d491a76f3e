#!/usr/bin/env bash
# Mutation testing of core: each change that cargo-mutants makes must fail some test. `ci/mutants.sh` tries a sample, one in 360 (SHARD=k/n
# says which); `ci/mutants.sh all` tries every one, which takes hours; `ci/mutants.sh FILE…` tries those in these files. Those that change
# nothing that could be seen are left out, with reasons, in .cargo/mutants.toml.
source "$(dirname "$0")/common.sh"
need_rust
need_tool cargo-mutants 27.1.0

out=$PWD/target/mutants
# In a copy, so that this tree can be worked on meanwhile.
copy_tree "$out/tree"
cd "$out/tree"
rm -rf "$out"/{mutants.out,mutants.out.old,caught,hung,unviable,cargo-mutants-*.tmp}
# What is built for each of them is to be small, and what runs, short.
export CARGO_TARGET_DIR=$out/build CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=1
export RUSTFLAGS="--cfg few_columns ${RUSTFLAGS:-}" PROPTEST_CASES=300 COFLIGHT_TEST_DEADLINE=15

chosen=()
case ${1:-} in
    "") chosen=(--shard "${SHARD:-0/360}") ;;
    all) ;;
    *) for file; do chosen+=(--file "$file"); done ;;
esac

# try SECONDS OPTION...: tries those that survived so far. Who hangs for so many seconds was noticed.
try() {
    local patience=$1 status=0
    shift
    [ ! -e "$out/mutants.out/missed.txt" ] || [ -s "$out/mutants.out/missed.txt" ] || return 0
    cargo mutants "${way[@]}" --baseline skip --iterate --timeout "$patience" --build-timeout 300 --colors never --output "$out" \
        --package coflight-core "${chosen[@]}" "$@" >>"$out/log" 2>&1 || status=$?
    # 2: some survived; 3: some hung, and were noticed by that.
    [[ $status = [023] ]] || {
        tail -n 30 "$out/log"
        echo "error: cargo-mutants ended with $status" >&2
        exit 3
    }
    cat "$out/mutants.out/caught.txt" >>"$out/caught"
    cat "$out/mutants.out/timeout.txt" >>"$out/hung"
    cat "$out/mutants.out/unviable.txt" >>"$out/unviable"
    # So that those who hung are not tried again.
    cat "$out/mutants.out/timeout.txt" >>"$out/mutants.out/caught.txt"
}

of() {
    wc -l <"$out/$1"
}

step "mutants"
builds cargo test --quiet --no-run -p coflight-core -p coflight-tests
began=$SECONDS
cargo test --quiet -p coflight-core -p coflight-tests --lib --tests >"$out/log" 2>&1 || {
    tail -n 60 "$out/log"
    echo "error: the tests fail without any mutant" >&2
    exit 3
}
# What hangs takes much longer than all the tests do, on this machine and now.
long=$((4 * (SECONDS - began)))
quick=$((long / 2 < 15 ? 15 : long / 2))
long=$((long < 60 ? 60 : long))
if [ "${1:-}" = "" ]; then
    way=(--in-place)
    try "$long" --test-package coflight-core,coflight-tests
else
    # As many at a time as there are processors, each in a copy with a target folder of its own. First by what is quickly built.
    way=(--jobs "$(nproc)")
    unset CARGO_TARGET_DIR
    export TMPDIR=$out
    units=()
    [ "$1" != all ] || mapfile -t units < <(grep -rl 'cfg(test)' core/src | sed 's/^/--file=/')
    try "$quick" "${units[@]}" --test-package coflight-core -- --lib
    # What is not tried yet must not be taken for what survived.
    rm -f "$out/mutants.out/missed.txt"
    try "$quick" --test-package coflight-tests --cargo-arg=--test=model
    try "$long" --test-package coflight-tests --cargo-arg=--test=contract
    try "$long" --test-package coflight-tests --cargo-arg=--test=memory --cargo-arg=--test=observe --cargo-arg=--test=systems \
        --cargo-arg=--test=registry --cargo-arg=--test=attribute
fi

missed=$out/mutants.out/missed.txt
[ $(($(of caught) + $(of hung) + $(wc -l <"$missed"))) != 0 ] || {
    echo "error: there is nothing to change in: $*" >&2
    exit 3
}
echo "mutants: $(of caught) caught, $(of hung) hung and so noticed, $(wc -l <"$missed") survived; $(of unviable) did not build"
if [ -s "$missed" ]; then
    cat "$missed"
    echo "error: no test fails with these; write one, or say in .cargo/mutants.toml why none could" >&2
    exit 1
fi
