//! Chooses the memory map by the target, and hands it to the linker.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let target = env::var("TARGET").expect("cargo sets it");
    let map = match target.as_str() {
        "thumbv6m-none-eabi" => "memory/nrf51.x",
        _ => "memory/lm3s6965.x",
    };
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    fs::copy(map, out.join("memory.x")).expect("the memory map is there");
    println!("cargo:rerun-if-changed=memory");
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
}
