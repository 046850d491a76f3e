#!/usr/bin/env bash
# Every feature alone, none, and all; and crates outside the workspace that use coflight as a user would.
source "$(dirname "$0")/common.sh"
need_rust

export RUSTFLAGS="${RUSTFLAGS:-} -D warnings"
export CARGO_TARGET_DIR=target/features

step "features of coflight-core"
for features in "" std portable-atomic critical-section portable-atomic,critical-section std,portable-atomic std,critical-section attribute; do
    echo "  '$features'"
    cargo check --quiet -p coflight-core --no-default-features --features "$features"
done

step "coflight-core running without std"
for features in "" portable-atomic; do
    echo "  '$features'"
    cargo test --quiet -p coflight-core --no-default-features --features "$features" --test alloc_only
done

step "features of coflight"
for features in "" std tokio smol async-std blocking board cluster macros metrics redis tower tracing cluster,metrics cluster,tracing portable-atomic critical-section \
    tokio,smol,async-std,blocking,board,cluster,macros,metrics,redis,tower,tracing; do
    echo "  '$features'"
    cargo check --quiet -p coflight --lib --no-default-features --features "$features"
done

# outside NAME FEATURES DEPENDENCIES: a crate outside the workspace, with main.rs from standard input, runs.
outside() {
    local crate
    crate=$(mktemp -d)
    trap 'rm -rf "$crate"' RETURN
    mkdir "$crate/src"
    cat >"$crate/src/main.rs"
    printf '[package]\nname = "%s"\nversion = "0.1.0"\nedition = "2024"\n\n[dependencies]\ncoflight = { path = "%s", features = [%s] }\n%s\n' \
        "$1" "$PWD" "$2" "$3" >"$crate/Cargo.toml"
    echo "  $1: features = [$2]"
    cargo run --quiet --manifest-path "$crate/Cargo.toml"
}

step "crates outside the workspace"
outside user-of-smol '"smol"' 'smol = "2"' <<'EOF'
use coflight::{Error, Group, Smol};

fn main() -> Result<(), Error> {
    let flights: Group<String, usize, Smol> = Group::with_runtime(Smol::global());
    smol::block_on(async {
        let callers: Vec<_> = (0..100)
            .map(|_| {
                let flights = flights.clone();
                smol::spawn(async move { flights.spawn("key", || async { slow().await }).await })
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.await?, 42);
        }
        Ok(())
    })
}

async fn slow() -> usize {
    smol::Timer::after(std::time::Duration::from_millis(20)).await;
    42
}
EOF
outside user-of-nothing '' '' <<'EOF'
use coflight::{Entry, Error, Group, Turn};

fn main() -> Result<(), Error> {
    let flights: Group<String, usize> = Group::new();
    let answer = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8).map(|_| scope.spawn(|| flights.run_blocking("key", || 42))).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).sum::<Result<usize, Error>>()
    })?;
    assert_eq!(answer, 8 * 42);
    match flights.enter("key") {
        Entry::Leader(leader) => assert_eq!(leader.complete(1)?, 1),
        Entry::Follower(_) => unreachable!("nobody else is there"),
    }
    let _: Option<Turn<String, usize, coflight::NoRuntime, coflight::DefaultHashBuilder>> = None;
    assert!(flights.is_empty());
    Ok(())
}
EOF
outside user-of-the-attribute '"macros"' 'smol = "2"' <<'EOF'
use coflight::coalesce;

#[coalesce]
async fn double(number: u64) -> u64 {
    2 * number
}

fn main() {
    assert_eq!(smol::block_on(double(21)), 42);
    assert_eq!(double_flights().stats().led, 1);
    assert!(coflight::registry::overview().get("user_of_the_attribute::double").is_some());
}
EOF
