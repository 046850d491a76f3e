#!/usr/bin/env bash
# What a careful reader would stumble over: spelling, links, dependencies that nobody uses or that may not be used, packages without a licence, and public items that came or
# went unseen. `ci/hygiene.sh update` writes down the public items anew.
source "$(dirname "$0")/common.sh"
need_rust

step "spelling"
command -v typos >/dev/null || need_tool typos-cli 1.52.0
typos

step "links"
broken=$(git ls-files '*.md' | while read -r file; do
    # Not those to other sites, to headings, and to items, which rustdoc resolves.
    grep -oE '\]\([^)]+\)' "$file" | sed -E 's/^\]\(//; s/[#)].*$//' | grep -vE '^$|^https?:|^([a-z]+@)?[A-Za-z_:]+$' | while read -r path; do
        [ -e "$(dirname "$file")/$path" ] || echo "  $file: $path"
    done || true
done)
[ -z "$broken" ] || { printf 'error: there is no such file:\n%s\n' "$broken" >&2; exit 1; }

step "dependencies: unused ones"
need_tool cargo-machete 0.9.2
cargo machete

step "dependencies: licences, duplicates, sources"
need_tool cargo-deny 0.20.2
cargo deny --log-level error check licenses bans sources

step "dependencies: what each feature brings along"
./ci/weight.sh

step "packages: what is inside"
published | while read -r package; do
    files=$(cargo package --quiet --list --allow-dirty -p "$package")
    for file in Cargo.toml README.md LICENSE-APACHE LICENSE-MIT src/lib.rs; do
        grep -qx "$file" <<<"$files" || { echo "error: the package $package has no $file" >&2; exit 1; }
    done
    strange=$(grep -vE '^(src/.*|tests/.*|docs/stampede\.svg|Cargo\.(toml|toml\.orig|lock)|README\.md|CHANGELOG\.md|LICENSE-(APACHE|MIT)|\.cargo_vcs_info\.json)$' <<<"$files" || true)
    [ -z "$strange" ] || { printf 'error: the package %s has what nobody needs:\n%s\n' "$package" "$strange" >&2; exit 1; }
    echo "  $package: $(wc -l <<<"$files") files"
done

step "documentation, as docs.rs builds it"
selected=()
for package in $(published); do selected+=(-p "$package"); done
CARGO_TARGET_DIR=target/hygiene RUSTDOCFLAGS="-D warnings --cfg docsrs" nightly doc --quiet --no-deps --all-features "${selected[@]}"
# Of the group's methods only those say so that are.
page=target/hygiene/doc/coflight/struct.Group.html
[ -s "$page" ] || { echo "error: there is no $page" >&2; exit 3; }
wrong=$(grep -o 'Available on[^.]*crate feature[^.]*' "$page" | grep -v '<code>std</code>' || true)
[ -z "$wrong" ] || { printf 'error: methods of a group are said to need a feature:\n%s\n' "$wrong" >&2; exit 1; }

step "public items"
need_tool cargo-public-api 0.52.0
# What is missing is said here, and not into the log.
nightly --version >/dev/null
mkdir -p docs/api
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
published | while read -r package; do
    CARGO_TARGET_DIR=target/hygiene nightly --quiet public-api -sss --color never -p "$package" --all-features >"$new/$package.txt" 2>"$new/log" || {
        cat "$new/log" >&2
        exit 3
    }
done
rm -f "$new/log"
if [ "${1:-}" = update ]; then
    cp "$new"/*.txt docs/api/
else
    diff -r docs/api "$new" || {
        echo "error: public items came or went; if that is meant, ci/hygiene.sh update writes them down" >&2
        exit 1
    }
fi

step "public items: each has an example"
need jq jq
total=0
without=""
for json in target/hygiene/doc/coflight*.json; do
    items=$(jq -r -f ci/examples.jq "$json")
    # What the macro `conformance_tests` goes through, and shows.
    lacking=$(grep -P '\tnone\t' <<<"$items" | grep -v 'src/conformance\.rs' || true)
    without+=${lacking:+$lacking$'\n'}
    total=$((total + $(grep -c . <<<"$items" || true)))
done
[ -z "$without" ] || { printf 'error: these have no example:\n%s' "$without" >&2; exit 1; }
[ "$total" -gt 0 ] || { echo "error: found no public item" >&2; exit 3; }
echo "  $total items"
