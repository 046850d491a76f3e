#!/usr/bin/env bash
# Fuzzing: ./ci/fuzz.sh [seconds] [target...]. So many seconds in all, shared by the targets, or by all of them; ten for each if not said. What is
# found is kept in fuzz/corpus, so that the next run goes on from there.
source "$(dirname "$0")/common.sh"
need_rust
need_tool cargo-fuzz 0.13.2

# Built in its own way, so in a folder of its own.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target/fuzz}"
targets=(plain model threads)
seconds=
if [[ ${1:-} =~ ^[0-9]+$ ]]; then
    seconds=$1
    shift
fi
[ $# = 0 ] || targets=("$@")
seconds=$(((${seconds:-$((10 * ${#targets[@]}))} + ${#targets[@]} - 1) / ${#targets[@]}))

# seeds FOLDER: programs of some length to start from, the same each time.
seeds() {
    [ ! -e "$1" ] || return 0
    rm -rf "$1.new"
    mkdir -p "$1.new"
    local nth octal
    for nth in {1..40}; do
        octal=$(awk -v seed="$nth" 'BEGIN { srand(seed); for (i = 0; i < 150; i++) printf "\\%03o", int(256 * rand()) }')
        printf "$octal" >"$1.new/seed-$nth"
    done
    mv "$1.new" "$1"
}

# Programs are made of choices, not of magic numbers: the fuzzer learns nothing from watching comparisons, which would cost most of the time.
flags=(--no-trace-compares)
export ASAN_OPTIONS="${ASAN_OPTIONS:-malloc_context_size=6}"

step "fuzz targets"
builds nightly fuzz build "${flags[@]}"
for target in "${targets[@]}"; do
    step "fuzzing '$target' for $seconds s"
    seeds "fuzz/corpus/$target"
    log=$(mktemp)
    # Leaks are looked for by the suite and the soak; here, threads that are still ending would be taken for some.
    status=0
    nightly fuzz run "${flags[@]}" "$target" -- -max_total_time="$seconds" -max_len=300 -len_control=0 -timeout=30 -detect_leaks=0 -rss_limit_mb=4096 \
        -print_final_stats=1 -verbosity=0 >"$log" 2>&1 || status=$?
    if [ "$status" != 0 ]; then
        # What is wrong comes first, then a stack, and last the program.
        grep -m 1 -A 6 'panicked at' "$log" || true
        grep -v '^INFO' "$log" | tail -n 150
        artifact=$(grep -o 'fuzz/artifacts/[^ ]*' "$log" | tail -n 1 || true)
        echo "error: '$target' failed; to see it again: cargo +nightly fuzz run $target $artifact" >&2
        exit 1
    fi
    awk -v target="$target" '/number_of_executed_units/ { runs = $2 } /average_exec_per_sec/ { rate = $2 }
        END { printf "%s: %d executions, %d a second\n", target, runs, rate; exit runs == 0 }' "$log"
    rm "$log"
done
