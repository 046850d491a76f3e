//! Whatever a function may be written with.

use std::fmt::Display;

use coflight::{Error, coalesce};
use coflight_tests::*;

use crate::probe::*;

matrix!(
    a_body_may_return_early,
    a_function_may_return_nothing,
    lifetimes_and_clauses_are_kept,
    a_lifetime_may_be_called_as_a_module,
    arguments_may_be_of_any_type_that_implements_a_trait,
    other_attributes_stay_with_the_function,
);

#[coalesce(skip(probe))]
async fn early(id: u64, text: &str, probe: Probe) -> Result<u64, String> {
    probe.work(()).await;
    if text.is_empty() {
        return Ok(id);
    }
    let number: u64 = text.parse().map_err(|error: std::num::ParseIntError| error.to_string())?;
    let double = |number| {
        if number > 100 {
            return number;
        }
        2 * number
    };
    Ok(id + double(number))
}

async fn a_body_may_return_early(lab: Lab) {
    let id = unique();
    assert_eq!(together(&lab, |probe| Box::pin(early(id, "", probe))).await, Ok(id));
    assert_eq!(together(&lab, |probe| Box::pin(early(id, "21", probe))).await, Ok(id + 42));
    let error = together(&lab, |probe| Box::pin(early(id, "x", probe))).await;
    assert_eq!(error, Err("invalid digit found in string".to_owned()));
}

#[coalesce(skip(probe))]
async fn nothing(id: u64, probe: Probe) {
    probe.work(id).await;
}

async fn a_function_may_return_nothing(lab: Lab) {
    let id = unique();
    together(&lab, |probe| Box::pin(nothing(id, probe))).await;
    #[coalesce(skip(done))]
    fn on_a_thread(id: u64, done: &mut u64) {
        *done = id;
    }
    let mut done = 0;
    on_a_thread(id, &mut done);
    assert_eq!(done, id);
}

#[coalesce(skip(noise, probe))]
pub(crate) async fn clauses<'a, 'b: 'a, T>(name: &'a str, of: &'b T, noise: &'a [&'b str], probe: Probe) -> Vec<T>
where
    T: Clone + Eq + std::hash::Hash + Send + Sync + 'static,
    &'b T: PartialEq,
{
    probe.work(vec![of.clone(); name.len() + noise.len()]).await
}

async fn lifetimes_and_clauses_are_kept(lab: Lab) {
    let id: &'static u64 = Box::leak(Box::new(unique()));
    let result = together(&lab, |probe| Box::pin(clauses("ab", id, &["noise"], probe))).await;
    assert_eq!(result, [*id; 3]);
    assert!(clauses_flights::<u64>().stats().led > 0);
}

/// Called as the lifetime below.
mod db {
    pub(crate) trait Load {
        type Row: Clone + Send + Sync + 'static;
        fn load(&self, id: u64) -> Self::Row;
    }

    impl Load for str {
        type Row = String;
        fn load(&self, id: u64) -> String {
            format!("{self} {id}")
        }
    }
}

#[coalesce(skip(from))]
async fn load<'db, T: ?Sized + db::Load + 'static>(id: u64, from: &'db T) -> T::Row
where
    &'db T: Sized,
{
    from.load(id)
}

async fn a_lifetime_may_be_called_as_a_module(_: Lab) {
    let id = unique();
    assert_eq!(load(id, "row").await, format!("row {id}"));
    assert!(load_flights::<str>().stats().led > 0);
}

#[coalesce(skip(suffix, probe))]
async fn of_trait(
    name: impl Display + Clone + Eq + std::hash::Hash + Send + Sync + 'static,
    suffix: impl Into<String> + Send,
    probe: Probe,
) -> String {
    let suffix: String = suffix.into();
    probe.work(format!("{name}{suffix}")).await
}

async fn arguments_may_be_of_any_type_that_implements_a_trait(lab: Lab) {
    let id = unique();
    assert_eq!(together(&lab, |probe| Box::pin(of_trait(id, "!", probe))).await, format!("{id}!"));
    let text = move |probe| Box::pin(of_trait(id.to_string(), "!", probe)) as _;
    let results = apart(&lab, |probe| Box::pin(of_trait(id, "!", probe)), text).await;
    assert_eq!(results.0, results.1);
}

/// Documented.
#[must_use]
#[tracing::instrument(skip(probe))]
#[coalesce(skip(probe))]
#[allow(clippy::unused_async)]
#[cfg(not(any()))]
pub async fn instrumented(id: u64, probe: Probe) -> u64 {
    probe.work(id).await
}

#[coalesce(skip(probe))]
#[tracing::instrument(skip(probe), err)]
async fn instrumented_below(id: u64, probe: Probe) -> Result<u64, Error> {
    Ok(probe.work(id).await)
}

async fn other_attributes_stay_with_the_function(lab: Lab) {
    let id = unique();
    assert_eq!(together(&lab, |probe| Box::pin(instrumented(id, probe))).await, id);
    assert_eq!(together(&lab, |probe| Box::pin(instrumented_below(id, probe))).await, Ok(id));
}

/// Found under another name, as by a library that re-exports it.
mod facade {
    pub use ::coflight as inner;
}

#[test]
fn coflight_may_be_somewhere_else() {
    #[facade::inner::coalesce(crate = facade::inner, retry = 1)]
    fn elsewhere(id: u64) -> Result<u64, String> {
        Ok(id)
    }
    assert_eq!(elsewhere(1), Ok(1));
}

#[test]
fn futures_are_send_where_their_parts_are() {
    fn send<T: Send>(_: T) {}
    send(early(1, "", Probe::default()));
    send(of_trait(1, "", Probe::default()));
    // And need not be.
    #[coalesce(skip(count))]
    async fn here(id: u64, count: std::rc::Rc<u64>) -> u64 {
        futures_lite::future::yield_now().await;
        id + *count
    }
    assert_eq!(futures_lite::future::block_on(here(1, std::rc::Rc::new(2))), 3);
}

// As some people write it.
#[rustfmt::skip]
#[deny(unused_braces)]
mod in_one_line {
    use super::*;

    #[coalesce]
    pub(super) async fn twice(number: u64) -> u64 { 2 * number }

    #[coalesce]
    pub(super) fn thrice(number: u64) -> u64 { 3 * number }
}

#[test]
fn a_body_may_be_one_line() {
    assert_eq!((futures_lite::future::block_on(in_one_line::twice(2)), in_one_line::thrice(2)), (4, 6));
}
