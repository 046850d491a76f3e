#!/usr/bin/env bash
# The tests and the soak, watched while they run: `sanitizers.sh [address|leak|thread|valgrind|careful|all] [--long]`. The quick form, of all but `leak`,
# which `address` includes, runs the tests of core, of the model and of memory, and a short soak, or what of these is quickly built; the long form
# adds the contract, the systems, a longer soak, and more programs for the model.
planted=${BUG:-}
source "$(dirname "$0")/common.sh"
need_rust
[ "$(uname -m)" = x86_64 ] || { echo "error: these are set up for x86-64 only" >&2; exit 3; }

chosen=all long=
for argument; do
    case $argument in
        --long) long=1 ;;
        address | leak | thread | valgrind | careful | all) chosen=$argument ;;
        *) echo "error: no such kind: $argument" >&2; exit 3 ;;
    esac
done

host=x86_64-unknown-linux-gnu
targets=$PWD/target/sanitizers
[ -z "$planted" ] || targets=$(cd ../../.. && pwd)/target/sanitizers
# Each is built once. What the tests themselves run is built as they are.
as_tests=${CARGO_INCREMENTAL-}
export CARGO_INCREMENTAL=0
# Each backtrace would take seconds here, and every test has a deadline.
export RUST_BACKTRACE=0 COFLIGHT_TEST_DEADLINE=600
if [ -n "$long" ]; then
    export PROPTEST_CASES=${PROPTEST_CASES:-1000}
    soaked=60
else
    export PROPTEST_CASES=${PROPTEST_CASES:-100}
    soaked=10
fi

# begin KIND WHAT: a folder to build in, and a log.
begin() {
    kind=$1 began=$SECONDS log=$targets/$1${planted:+-$planted}.log
    export CARGO_TARGET_DIR=$targets/$1${planted:+-planted}
    step "$1: $2"
    mkdir -p "$targets"
    : >"$log"
    # The dependencies of a planted bug are there already. In a folder of its own: cargo takes what was built from the copy for this tree's.
    [ -e "$CARGO_TARGET_DIR" ] || [ ! -e "$targets/$1" ] || cp -a "$targets/$1" "$CARGO_TARGET_DIR"
}

# tests CARGO... -- FILTERS...: builds and runs them, and stops everything at a failure. One process a target, so that what is left at its
# end, and what its threads do to each other, is seen over all its tests.
tests() {
    local command=() status=0
    while [ "$1" != -- ]; do
        command+=("$1")
        shift
    done
    builds "${command[@]}" --quiet --no-run
    "${command[@]}" --quiet "$@" >>"$log" 2>&1 || status=$?
    if [ $status != 0 ]; then
        grep -nE -m 40 'FAILED|panicked|ERROR: |WARNING: |SUMMARY: |Invalid (read|write)|uninitialised|definitely lost: [1-9]' "$log" || true
        echo "error: $kind found something: see $log" >&2
        exit 1
    fi
}

# suite CARGO...: core, memory, model, and the soak, by this cargo; with --long also the contract, and the systems.
suite() {
    local cargo=("$@")
    tests "${cargo[@]}" -p coflight-core --lib --test alloc_only --
    local small=(--test model ${long:+--test systems})
    # One thread, and so slow.
    [ "$kind" = thread ] || small+=(--test memory)
    tests "${cargo[@]}" -p coflight-tests "${small[@]}" --
    soak "${cargo[@]}"
    # It takes longest to build.
    if [ -n "$long" ]; then
        tests "${cargo[@]}" -p coflight-tests --test contract --
    fi
    finish
}

# soak CARGO...: all runtimes at once, where most happens between threads.
soak() {
    local command=() part status=0
    for part; do
        [ "$part" = test ] && command+=(run) || command+=("$part")
    done
    builds "${command[@]/#run/build}" --quiet -p coflight-tests --bin soak
    "${command[@]}" --quiet -p coflight-tests --bin soak -- "$soaked" >>"$log" 2>&1 || status=$?
    if [ $status != 0 ]; then
        tail -n 60 "$log"
        echo "error: $kind found something in the soak: see $log" >&2
        exit 1
    fi
}

finish() {
    local ran
    ran=$(awk '/^test result: ok\. / { ran += $4 } END { print ran + 0 }' "$log")
    echo "  $kind: $ran tests ran, nothing found; $((SECONDS - began)) s"
    sed -n 's/^[0-9]* rounds,/    the soak: &/p' "$log"
    [ "$ran" -gt 0 ]
}

need_nightly() {
    nightly --version >/dev/null
    # Stacks with names, by which suppressions go.
    need llvm-symbolizer llvm
}

check_address() {
    need_nightly
    begin address "what is used after it was freed, or beside where it lies; and what is never freed"
    export RUSTFLAGS=-Zsanitizer=address
    export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_init_order=1:check_initialization_order=1
    export LSAN_OPTIONS=suppressions=$PWD/ci/leaks.suppressions:print_suppressions=0
    suite nightly test --locked --target $host
}

check_leak() {
    need_nightly
    begin leak "what is never freed"
    export RUSTFLAGS=-Zsanitizer=leak
    export LSAN_OPTIONS=suppressions=$PWD/ci/leaks.suppressions:print_suppressions=0
    suite nightly test --locked --target $host
}

check_thread() {
    need_msrv
    local llvm runtime
    llvm=$(/usr/bin/rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
    # Debian builds its compiler without this runtime; that of the C compiler with the same LLVM is the same.
    runtime=/usr/lib/llvm-$llvm/lib/clang/$llvm/lib/linux/libclang_rt.tsan-x86_64.a
    [ -e "$runtime" ] || install_packages "libclang-rt-$llvm-dev"
    need llvm-symbolizer llvm
    begin thread "what two threads touch at once, in all of the program: the standard library is built for this, too"
    # Before everything else, because what the runtime takes from the system's libraries must still be found.
    export RUSTFLAGS="-Zsanitizer=thread -Zexternal-clangrt -Zpre-link-arg=-Wl,--whole-archive,$runtime,--no-whole-archive,--export-dynamic"
    # Which it does not find through a link. Nothing is suppressed: no dependency needs it.
    TSAN_OPTIONS=external_symbolizer_path=$(readlink -f "$(command -v llvm-symbolizer)")
    export TSAN_OPTIONS
    export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1
    # Without backtraces, which a panic while panicking prints in any case, and which take a minute here.
    suite /usr/bin/cargo test --locked -Zbuild-std=std,panic_unwind,test -Zbuild-std-features=panic-unwind --target $host
}

check_valgrind() {
    need valgrind valgrind
    begin valgrind "what is read before it is written, in the tests of allocations"
    if [ -z "$long$planted" ]; then
        # What the tests themselves run.
        unset CARGO_INCREMENTAL
        [ -z "$as_tests" ] || export CARGO_INCREMENTAL=$as_tests
        CARGO_TARGET_DIR=$PWD/target
        export COFLIGHT_MEMORY_TIMES=3
    else
        export CARGO_PROFILE_DEV_OPT_LEVEL=3
    fi
    export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite,indirect \
--errors-for-leak-kinds=definite,indirect --fair-sched=yes"
    tests cargo test --locked -p coflight-core --lib --test alloc_only --
    tests cargo test --locked -p coflight-tests --test memory --
    finish
}

# A newer compiler with the sources of its standard library, from Debian; unpacked and not installed, because the older one that other
# checks need has the same name.
newer_rust() {
    # Beside what is built, which may be removed: it is the same each time, and large.
    newer=$(dirname "$targets")/newer-rust
    local version=1.96 full library
    if [ ! -e "$newer/libraries" ]; then
        # Without apt there is none, which is said below.
        [ "$(id -u)" != 0 ] || apt-get update -qq || true
        full=$(apt-cache madison rustc-web 2>/dev/null | awk -v version="$version." 'index($3, version) == 1 { print $3; exit }' || true)
        if [ -z "$full" ]; then
            echo "error: this needs Rust $version and its sources from Debian 12's security updates (rustc-web)" >&2
            exit 3
        fi
        rm -rf "$newer"
        mkdir -p "$newer"
        (
            cd "$newer"
            apt-get download -qq {rustc-web,cargo-web,libstd-rust-web-dev,libstd-rust-web-$version,rust-web-src}="$full" || exit 3
            # What they would bring along if they were installed.
            for package in *.deb; do
                dpkg-deb -f "$package" Depends | tr ',' '\n' | awk '$1 ~ /^lib/ && $1 !~ /^lib(std-rust|c6)/ { print $1 }'
            done | sort -u >libraries.new
            for package in *.deb; do
                dpkg-deb -x "$package" .
                rm "$package"
            done
            mv libraries.new libraries
        )
    fi
    for library in $(cat "$newer/libraries"); do
        dpkg -s "$library" >/dev/null 2>&1 || install_packages "$library"
    done
}

check_careful() {
    need_tool cargo-careful 0.4.10
    newer_rust
    begin careful "the standard library with its own assertions, and values of types that cannot be so"
    export LD_LIBRARY_PATH=$newer/usr/lib/$(uname -m)-linux-gnu RUSTC=$newer/usr/bin/rustc CARGO=$newer/usr/bin/cargo RUSTC_BOOTSTRAP=1
    export RUST_LIB_SRC=$newer/usr/lib/rustlib/src/rust/library
    # Where it keeps the standard library that it builds.
    export XDG_CACHE_HOME=$targets/careful-std
    # Not through the one cargo, which would choose another compiler again.
    if [ -n "$long" ]; then
        suite cargo-careful careful test --locked --target $host
    else
        tests cargo-careful careful test --locked --target $host -p coflight-core --lib --test alloc_only --
        finish
    fi
}

[ "$chosen" != all ] || chosen="address ${long:+leak} thread valgrind careful"
for kind in $chosen; do
    # Each with an environment of its own.
    ("check_$kind")
done
