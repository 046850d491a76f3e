#!/usr/bin/env bash
# The README as a newcomer reads it: in an empty folder, with the dependencies that it names, every piece of Rust in it compiles as it stands, without a warning, and those that
# are programs run, but for those that say `no_run`.
source "$(dirname "$0")/common.sh"
need_rust

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder/src/bin"

step "what it says of dependencies"
dependencies=$(sed -n '/^```toml$/,/^```$/{ /^```/d; p }' README.md)
# The crate is that of this folder, with the features that the pieces need besides, as the text above each of them says.
for feature in tokio macros tower redis; do
    grep -qE "feature(s)? .*\`$feature\`|features = .*\"$feature\"" README.md || { echo "error: the README nowhere says that something needs the feature $feature" >&2; exit 1; }
done
{
    printf '[package]\nname = "newcomer"\nversion = "0.0.0"\nedition = "2024"\n\n[workspace]\n\n[lints.rust]\nwarnings = "deny"\n\n'
    sed -E "s#^coflight = .*#coflight = { path = \"$PWD\", features = [\"tokio\", \"macros\", \"tower\", \"redis\"] }#" <<<"$dependencies"
    # Where a router is layered.
    echo 'axum = "0.8"'
} >"$folder/Cargo.toml"
cp Cargo.lock "$folder"
cat "$folder/Cargo.toml"
grep -q 'path = ' "$folder/Cargo.toml" || { echo "error: README.md names no dependency on coflight" >&2; exit 1; }

step "every piece, in a file of its own"
awk -v folder="$folder" '
    /^```rust/ { piece++; file = sprintf("%s/piece%02d", folder, piece); run = !/no_run/; program = 0; text = ""; inside = 1; next }
    /^```/ && inside {
        inside = 0
        if (program) { path = sprintf("%s/src/bin/piece%02d.rs", folder, piece); if (run) print sprintf("piece%02d", piece) > (folder "/programs") }
        else { path = sprintf("%s/src/piece%02d.rs", folder, piece); print sprintf("#[expect(dead_code, reason = \"nobody calls it\")]\nmod piece%02d;", piece) > (folder "/src/lib.rs") }
        printf "%s", text > path
        next
    }
    inside { text = text $0 "\n"; if (/^(async )?fn main\(/) program = 1 }
' README.md
[ -e "$folder/src/lib.rs" ] || touch "$folder/src/lib.rs"
export CARGO_TARGET_DIR=$PWD/target
cargo build --quiet --manifest-path "$folder/Cargo.toml"
pieces=$(find "$folder/src" -name 'piece*.rs' | wc -l)
[ "$pieces" -ge 5 ] || { echo "error: found only $pieces pieces of Rust in README.md" >&2; exit 1; }

step "those that are programs run"
while read -r program; do
    echo "  $program"
    status=0
    timeout 60 "$CARGO_TARGET_DIR/debug/$program" >"$folder/out" </dev/null || status=$?
    [ "$status" = 0 ] || { cat "$folder/out"; echo "error: $program ended with $status" >&2; exit 1; }
done <"$folder/programs"
echo "$pieces pieces compile, $(wc -l <"$folder/programs") of them ran"
