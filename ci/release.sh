#!/usr/bin/env bash
# The checklist of a release, followed to its last step: `ci/release.sh --dry-run` stops before that, and `ci/release.sh VERSION` publishes.
#
#   1. Nothing is left uncommitted, and `.ci/run all` passes (the script runs it, but for `--dry-run`).
#   2. All packages have this version, CHANGELOG.md has a heading for it, and the packages say where their sources are: without that, the README's links lead nowhere.
#   3. Whatever a careful reader would stumble over: ci/hygiene.sh.
#   4. Every two features together, and with the oldest versions of what is depended on.
#   5. Nothing that programs rely on is gone since the last release, if its version does not say so.
#   6. Every package builds from what is in it.
#   7. They are published, each after those that it depends on, and the commit gets a tag.
source "$(dirname "$0")/common.sh"
need_rust
need jq jq
[ $# = 1 ] || { echo "error: ci/release.sh --dry-run, or ci/release.sh VERSION" >&2; exit 2; }
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
heading="## $version"
[ "$1" != --dry-run ] || heading="## Unreleased"
mapfile -t packages < <(published)
selected=()
for package in "${packages[@]}"; do selected+=(-p "$package"); done

step "1. nothing left uncommitted"
[ -z "$(git status --porcelain)" ] || { git status --short; echo "error: commit these, or put them away" >&2; exit 1; }
[ "$1" = --dry-run ] || .ci/run all

step "2. version $version everywhere"
[ "$1" = --dry-run ] || [ "$1" = "$version" ] || { echo "error: Cargo.toml says $version, not $1" >&2; exit 1; }
grep -qF "$heading" CHANGELOG.md || { echo "error: CHANGELOG.md has no heading '$heading'" >&2; exit 1; }
metadata=$(cargo metadata --no-deps --format-version 1 | jq --args '[.packages[] | select(.name as $n | $ARGS.positional | index($n))]' "${packages[@]}")
homeless=$(jq -r '.[] | select(.repository == null) | .name' <<<"$metadata" | xargs)
[ -z "$homeless" ] || {
    homeless="these packages have no \`repository\`, from which registries take the README's links and pictures: $homeless"
    [ "$1" = --dry-run ] || { echo "error: $homeless" >&2; exit 1; }
}
versions=$(jq -r '.[].version' <<<"$metadata" | sort -u)
[ "$versions" = "$version" ] || { printf 'error: packages have other versions:\n%s\n' "$versions" >&2; exit 1; }

step "3. hygiene"
./ci/hygiene.sh

step "4. every two features, and the oldest versions"
need_tool cargo-hack 0.6.46
export CARGO_TARGET_DIR=$PWD/target/release-checks
cargo hack --quiet check -p coflight --lib --feature-powerset --depth 2 --exclude-features default
# As users get them: what only tests and examples depend on would ask for newer ones.
oldest=$(mktemp -d)
trap 'rm -rf "$oldest"' EXIT
git archive HEAD | tar -x -C "$oldest"
(
    cd "$oldest"
    rm Cargo.lock
    sed -i -e 's/^members = .*/members = ["core", "adapters\/*", "macros"]/' -e '/^default-members/d' Cargo.toml
    for manifest in Cargo.toml {core,macros,adapters/*}/Cargo.toml; do
        awk '/^\[/ { skip = /^\[(dev-dependencies|\[)/ } !skip' "$manifest" >whole
        mv whole "$manifest"
    done
    nightly update --quiet -Z direct-minimal-versions
    cargo check --quiet --lib --all-features
)

step "5. nothing that programs rely on is gone"
last=$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null || true)
if [ -n "$last" ]; then
    need_tool cargo-semver-checks 0.51.0
    cargo semver-checks --baseline-rev "$last" "${selected[@]}"
else
    echo "  there was no release yet"
fi

step "6. every package builds from what is in it"
cargo publish --quiet --dry-run "${selected[@]}"

if [ "$1" = --dry-run ]; then
    printf '\nall of it passed, but for the last step, which ci/release.sh %s takes\n' "$version"
    [ -z "$homeless" ] || printf 'before that: %s\n' "$homeless"
    exit
fi
step "7. published"
cargo publish "${selected[@]}"
git tag -a "v$version" -m "coflight $version"
echo "push the tag: git push origin v$version"
