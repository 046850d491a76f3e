#![doc = include_str!("../README.md")]
//!
//! # The house, in reading order
//!
//! | module | idea |
//! |---|---|
//! | `board` | what users hold: the router, the observer |
//! | `admission` | who may see it |
//! | `sample` | what is shown, as it was at a moment; taken once for all who look |
//! | `notable` | the slowest flights and the last errors |
//! | `page.html` | the page |

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod admission;
mod board;
mod notable;
mod sample;

pub use board::{Board, BoardObserver};
