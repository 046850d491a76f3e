# Sourced by the other scripts: strict mode, the repository as working folder, and ways to get what is missing. A script ends with 3 if it could not
# look, and with 1 if it found something; one that only runs a tool ends as that tool does, with cargo's 101 or nextest's 100. Those that must notice planted bugs end
# with 1 then.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-auto}"
# Many tests panic on purpose.
export RUST_BACKTRACE="${RUST_BACKTRACE:-0}"

step() {
    printf '\n== %s\n' "$*"
}

# need COMMAND PACKAGE...: makes sure that COMMAND is there, from Debian's packages if it is not.
need() {
    local command=$1
    shift
    command -v "$command" >/dev/null && return
    install_packages "$@"
    command -v "$command" >/dev/null || {
        echo "error: '$command' is still missing after installing: $*" >&2
        exit 3
    }
}

# As root, through apt; otherwise says what to install.
install_packages() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "error: please install: $* (as root on Debian: apt-get install $*)" >&2
        exit 3
    fi
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --allow-downgrades "$@" >/dev/null || exit 3
}

need_rust() {
    command -v cargo >/dev/null || {
        echo "error: no Rust toolchain found; install one from https://rustup.rs" >&2
        exit 3
    }
    # The bundled SQLite of one example is C.
    need cc gcc libc6-dev
}

# The second compiler: exactly the oldest Rust version that the libraries support, with the sources of its standard library, from
# Debian. Sets MSRV_CARGO, to be run through `msrv_cargo`.
need_msrv() {
    need_rust
    if ! /usr/bin/rustc --version 2>/dev/null | grep -q '^rustc 1\.85\.' || [ ! -e /usr/lib/rustlib/src/rust/library ]; then
        # Without apt there is none, which is said below.
        [ "$(id -u)" != 0 ] || apt-get update -qq || true
        local version
        version=$(apt-cache madison rustc-web 2>/dev/null | awk '$3 ~ /^1\.85\./ { print $3; exit }' || true)
        if [ -z "$version" ]; then
            echo "error: this needs Rust 1.85 and its sources as /usr/bin/rustc (Debian 12: rustc-web, cargo-web, libstd-rust-web-dev, rust-web-src)" >&2
            exit 3
        fi
        install_packages {rustc-web,cargo-web,libstd-rust-web-dev,rust-web-src}="$version"
    fi
}

msrv_cargo() {
    # A folder of its own: two compilers would undo each other's work in one.
    CARGO_TARGET_DIR=target/msrv RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc RUSTC_BOOTSTRAP=1 /usr/bin/cargo "$@"
}

# nightly COMMAND...: cargo of a nightly compiler, by whatever name there is one.
nightly() {
    if cargo +nightly --version >/dev/null 2>&1; then
        cargo +nightly "$@"
    elif cargo --version | grep -q nightly; then
        cargo "$@"
    else
        echo "error: this needs a nightly Rust: rustup toolchain install nightly --profile minimal" >&2
        exit 3
    fi
}

# need_tool TOOL VERSION: a subcommand of cargo, or a tool like one, built from the registry if it is missing, in that version, so that a new release of it changes
# nothing here. Whichever is installed already is taken as it is.
need_tool() {
    command -v "$1" >/dev/null && return
    need_rust
    step "installing $1"
    # In a folder of its own, so that the target folder of this project stays what it is.
    local folder
    folder=$(mktemp -d)
    CARGO_TARGET_DIR=$folder cargo install --quiet --locked --root "${CARGO_HOME:-$HOME/.cargo}" "$1@$2" || { rm -rf "$folder"; exit 3; }
    rm -rf "$folder"
    export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
}

# builds COMMAND...: what cannot even be built has not been checked, and no planted bug was caught. Ends with 3 then.
builds() {
    "$@" || {
        echo "error: does not build: $*" >&2
        exit 3
    }
}

# copy_tree FOLDER: this tree as it is, into a folder in which only `target` is left from before. The copy is a repository, so that it can be copied
# again.
copy_tree() {
    mkdir -p "$1"
    find "$1" -mindepth 1 -maxdepth 1 ! -name target -exec rm -rf {} +
    # Not what was deleted and is still known to git.
    git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
        [ ! -e "$file" ] || printf '%s\0' "$file"
    done | xargs -0 cp --parents -t "$1"
    git -C "$1" init --quiet
    git -C "$1" add --all
}

# Every script can be shown to fail: with BUG=NAME it checks a copy of this tree with ci/bugs/NAME.patch applied. It ends with 3 if it could not
# try.
plant() {
    local patch=$PWD/ci/bugs/$1.patch copy
    copy=$PWD/target/planted/$(basename "$0" .sh)
    if [ ! -e "$patch" ]; then
        echo "error: no such bug: $1; there are: $(cd ci/bugs && echo *.patch)" >&2
        exit 3
    fi
    mkdir -p "$copy"
    # One at a time in this folder.
    exec 9>"$copy.lock"
    flock 9
    copy_tree "$copy" || exit 3
    cd "$copy"
    git apply "$patch" || {
        echo "error: the bug does not fit the code any more: $1" >&2
        exit 3
    }
    step "with a planted bug: $1"
    unset BUG
}

if [ -n "${BUG:-}" ]; then
    plant "$BUG"
fi

# The packages that are published, each after those that it depends on.
published() {
    printf '%s\n' coflight-core coflight-macros coflight-tokio coflight-smol coflight-async-std coflight-blocking coflight-metrics coflight-tracing \
        coflight-board coflight-tower coflight-cluster coflight-redis coflight
}
