//! Nothing: `hot_paths.rs` beside it is all there is.
