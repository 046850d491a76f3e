//! What cannot be kept as a key.
use std::borrow::Cow;
use std::fmt::Debug;

use coflight::coalesce;

#[coalesce]
async fn borrows_inside(name: Option<&str>) -> usize {
    name.map_or(0, str::len)
}

#[coalesce]
async fn may_borrow(name: Cow<'_, str>) -> usize {
    name.len()
}

#[coalesce]
async fn exclusive(buffer: &mut Vec<u8>) -> usize {
    buffer.len()
}

#[coalesce]
async fn object(value: &dyn Debug) -> String {
    format!("{value:?}")
}

#[coalesce(relay, skip(value))]
async fn object_outlived(value: &(dyn Debug + Sync)) -> String {
    format!("{value:?}")
}

#[coalesce(spawn, runtime = smol, skip(buffer))]
async fn exclusive_outlived(buffer: &mut Vec<u8>) -> usize {
    buffer.len()
}

#[coalesce]
#[rustfmt::skip]
async fn many(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8, j: u8, k: u8, l: u8, m: u8) -> u8 {
    a + b + c + d + e + f + g + h + i + j + k + l + m
}

fn main() {}
