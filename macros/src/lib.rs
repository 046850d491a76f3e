#![doc = include_str!("../README.md")]
//!
//! | module | idea |
//! |---|---|
//! | `options` | what stands in the attribute's parentheses |
//! | `duration` | times, as people write them |
//! | `function` | what a function takes, returns, and calls its own |
//! | `key` | which calls are for the same: the key, and its type |
//! | `block` | functions of a marked `impl` block |
//! | `group` | its own group: its type, how it is built, and who hands it out |
//! | `expand` | the code that is written |

#![forbid(unsafe_code)]

mod block;
mod duration;
mod expand;
mod function;
mod group;
mod key;
mod options;
#[cfg(test)]
mod tests;

/// Lets concurrent calls of a function with equal arguments share one execution. Documented in `coflight`.
#[proc_macro_attribute]
pub fn coalesce(options: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand::coalesce(options.into(), item.into()).into()
}
