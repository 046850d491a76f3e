#!/usr/bin/env bash
# Mutation testing of core: each change that cargo-mutants makes must fail some test. `ci/mutants.sh` tries a sample, one in 180 (SHARD=k/n
# says which); `ci/mutants.sh all` tries every one, which takes hours; `ci/mutants.sh FILE…` tries those in these files. Those that change
# nothing that could be seen are left out, with reasons, in .cargo/mutants.toml.
source "$(dirname "$0")/common.sh"
need_rust
need_tool cargo-mutants

out=$PWD/target/mutants
# In a copy, so that this tree can be worked on meanwhile.
copy_tree "$out/tree"
cd "$out/tree"
rm -rf "$out/mutants.out" "$out/mutants.out.old"
# What is built for each of them is to be small, and what runs, short.
export CARGO_TARGET_DIR=$out/build CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=1
export RUSTFLAGS="--cfg few_columns ${RUSTFLAGS:-}" PROPTEST_CASES=300 COFLIGHT_TEST_DEADLINE=15

# Seconds that the tests may take with a mutant in; who hangs longer was noticed. Few want to wait for every one.
patience=180
chosen=()
case ${1:-} in
    "")
        chosen=(--shard "${SHARD:-0/180}")
        patience=60
        ;;
    all) ;;
    *) for file; do chosen+=(--file "$file"); done ;;
esac

# try OPTION...: tries those that survived so far.
try() {
    local status=0
    cargo mutants --in-place --baseline skip --iterate --timeout "$patience" --build-timeout 300 --colors never --output "$out" \
        --package coflight-core "${chosen[@]}" "$@" >>"$out/log" 2>&1 || status=$?
    # 2: some survived; 3: some hung, and were noticed by that.
    [[ $status = [023] ]] || {
        tail -n 30 "$out/log"
        echo "error: cargo-mutants ended with $status" >&2
        exit 1
    }
}

step "mutants"
builds cargo test --quiet --no-run -p coflight-core -p coflight-tests
cargo test --quiet -p coflight-core -p coflight-tests --lib --tests >"$out/log" 2>&1 || {
    tail -n 60 "$out/log"
    echo "error: the tests fail without any mutant" >&2
    exit 1
}
if [ ${#chosen[@]} = 0 ] || [ "${chosen[0]}" = --file ]; then
    # First by what is quickly built.
    try --test-package coflight-core -- --lib
    try --test-package coflight-tests --cargo-arg=--test=model
fi
try --test-package coflight-core,coflight-tests

of() {
    cat "$@" 2>/dev/null | wc -l
}
cd "$out/mutants.out"
echo "mutants: $(of caught.txt previously_caught.txt) caught, $(of timeout.txt) hung and so noticed, $(of missed.txt) survived; $(of unviable.txt) did not build"
if [ -s missed.txt ]; then
    cat missed.txt
    echo "error: no test fails with these; write one, or say in .cargo/mutants.toml why none could" >&2
    exit 1
fi
