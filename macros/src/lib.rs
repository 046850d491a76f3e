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

/// Calls of a function with equal arguments that meet share one execution; here those of a plain `fn`, on threads:
///
/// ```standalone_crate
/// # extern crate coflight_core as coflight;
/// # use coflight_macros::coalesce;
/// # /*
/// use coflight::coalesce;
/// # */
///
/// #[coalesce]
/// fn report(month: u32) -> String {
///     format!("what month {month} was like") // takes a while
/// }
///
/// let [one, other] = std::thread::scope(|threads| {
///     let callers = [7, 7].map(|month| threads.spawn(move || report(month)));
///     callers.map(|caller| caller.join().unwrap())
/// });
/// assert_eq!(one, other);
/// assert_eq!(report_flights().stats().calls(), 2); // of them one led, unless they missed each other
/// ```
#[proc_macro_attribute]
pub fn coalesce(options: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand::coalesce(options.into(), item.into()).into()
}
