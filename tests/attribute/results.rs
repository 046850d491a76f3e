//! What comes back, row by row of the table in the attribute's documentation.

use std::error::Error as _;
use std::sync::Arc;

use coflight::{Error, TryError, coalesce};
use coflight_tests::*;

use crate::probe::*;

matrix!(
    a_plain_result_is_cloned,
    followers_of_a_panic_panic_with_its_message,
    a_plain_function_that_is_cancelled_panics_and_says_why,
    an_error_that_cannot_be_cloned_is_shared_as_it_is,
    an_error_that_can_hold_the_flights_error_does,
    an_error_that_cannot_hold_the_flights_error_panics,
    the_flights_own_error_will_do,
    an_alias_is_as_good_as_what_it_stands_for,
    asking_for_oneself_is_an_error,
);

/// Fails, panics or returns, as it is told, when it may go on.
#[derive(Clone, Copy)]
enum End {
    Value,
    Error,
    Panic,
}

impl End {
    async fn of<T, E>(self, probe: &Probe, value: T, error: E) -> Result<T, E> {
        match probe.work(self).await {
            Self::Value => Ok(value),
            Self::Error => Err(error),
            Self::Panic => panic!("the message of {}", std::any::type_name::<E>()),
        }
    }
}

/// Leader and follower of one flight, and how they ended.
macro_rules! meet {
    ($lab:expr, $call:expr) => {{
        let probe = Probe::default();
        let (leader, follower) = (boarded($call(probe.clone())), boarded($call(probe.clone())));
        let (leader, follower) = ($lab.start(leader), $lab.start(follower));
        probe.open();
        let ends = (leader.await, follower.await);
        assert_eq!(probe.runs(), 1);
        ends
    }};
}

#[coalesce(skip(end, probe))]
async fn plain(id: u64, end: End, probe: Probe) -> String {
    end.of(&probe, id.to_string(), ()).await.expect("no error was asked for")
}

async fn a_plain_result_is_cloned(lab: Lab) {
    let id = unique();
    let (leader, follower) = meet!(lab, |probe| plain(id, End::Value, probe));
    assert_eq!((leader.returned(), follower.returned()), (id.to_string(), id.to_string()));
}

/// Promise 9.
async fn followers_of_a_panic_panic_with_its_message(lab: Lab) {
    let id = unique();
    let (leader, follower) = meet!(lab, |probe| plain(id, End::Panic, probe));
    let message = "the message of ()";
    assert_eq!((&*leader.panicked(), &*follower.panicked()), (message, message));
    assert!(!plain_flights().contains(&id), "the key is clean");
}

async fn a_plain_function_that_is_cancelled_panics_and_says_why(lab: Lab) {
    let (id, probe) = (unique(), Probe::default());
    let call = lab.start(boarded(plain(id, End::Value, probe)));
    assert!(plain_flights().cancel(&id));
    assert_eq!(call.await.panicked(), "a coalesced call has no result: the flight was cancelled");
}

/// Not `Clone`, and with a source.
#[derive(Debug)]
struct NoClone(std::fmt::Error);

impl std::fmt::Display for NoClone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no clone")
    }
}

impl std::error::Error for NoClone {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[coalesce(skip(end, probe))]
async fn shared(id: u64, end: End, probe: Probe) -> Result<u64, TryError<NoClone>> {
    let value = end.of(&probe, id, NoClone(std::fmt::Error)).await?;
    Ok(value)
}

async fn an_error_that_cannot_be_cloned_is_shared_as_it_is(lab: Lab) {
    let id = unique();
    let (leader, follower) = meet!(lab, |probe| shared(id, End::Error, probe));
    let errors = [leader, follower].map(|end| match end.returned() {
        Err(TryError::Work(error)) => error,
        other => panic!("{other:?}"),
    });
    assert!(Arc::ptr_eq(&errors[0], &errors[1]), "one error");
    assert_eq!((errors[0].to_string(), errors[0].source().is_some()), ("no clone".to_owned(), true));
    let (leader, follower) = meet!(lab, |probe| shared(id, End::Value, probe));
    assert_eq!((leader.returned().ok(), follower.returned().ok()), (Some(id), Some(id)));
    let (leader, follower) = meet!(lab, |probe| shared(id, End::Panic, probe));
    assert!(leader.panicked().starts_with("the message of"));
    assert!(matches!(follower.returned(), Err(TryError::Flight(Error::Panicked(_)))));
}

#[derive(Clone, Debug, PartialEq)]
enum Own {
    Work,
    Flight(Error),
}

impl From<Error> for Own {
    fn from(error: Error) -> Self {
        Self::Flight(error)
    }
}

#[coalesce(skip(end, probe))]
async fn converted(id: u64, end: End, probe: Probe) -> Result<u64, Own> {
    end.of(&probe, id, Own::Work).await
}

async fn an_error_that_can_hold_the_flights_error_does(lab: Lab) {
    let id = unique();
    let (leader, follower) = meet!(lab, |probe| converted(id, End::Error, probe));
    assert_eq!((leader.returned(), follower.returned()), (Err(Own::Work), Err(Own::Work)));
    let (leader, follower) = meet!(lab, |probe| converted(id, End::Panic, probe));
    let message = leader.panicked();
    assert!(message.starts_with("the message of"));
    match follower.returned() {
        Err(Own::Flight(Error::Panicked(panic))) => assert_eq!(panic.message(), Some(&*message)),
        other => panic!("{other:?}"),
    }
    let call = lab.start(boarded(converted(id, End::Value, Probe::default())));
    assert!(converted_flights().cancel(&id));
    assert_eq!(call.await.returned(), Err(Own::Flight(Error::Cancelled)));
}

#[coalesce(skip(end, probe))]
async fn cloned(id: u64, end: End, probe: Probe) -> Result<u64, String> {
    end.of(&probe, id, "an error".to_owned()).await
}

async fn an_error_that_cannot_hold_the_flights_error_panics(lab: Lab) {
    let id = unique();
    let (leader, follower) = meet!(lab, |probe| cloned(id, End::Error, probe));
    assert_eq!((leader.returned(), follower.returned()), (Err("an error".to_owned()), Err("an error".to_owned())));
    let (leader, follower) = meet!(lab, |probe| cloned(id, End::Panic, probe));
    let message = leader.panicked();
    assert!(message.starts_with("the message of"));
    assert_eq!(follower.panicked(), message);
}

#[coalesce(skip(probe))]
async fn of_flight(id: u64, probe: Probe) -> Result<u64, Error> {
    Ok(probe.work(id).await)
}

async fn the_flights_own_error_will_do(lab: Lab) {
    let id = unique();
    let (leader, follower) = meet!(lab, |probe| of_flight(id, probe));
    assert_eq!((leader.returned(), follower.returned()), (Ok(id), Ok(id)));
    let call = lab.start(boarded(of_flight(id, Probe::default())));
    assert!(of_flight_flights().cancel(&id));
    assert_eq!(call.await.returned(), Err(Error::Cancelled));
}

type Outcome<T> = Result<T, Own>;

#[coalesce(skip(end, probe))]
async fn aliased(id: u64, end: End, probe: Probe) -> Outcome<u64> {
    end.of(&probe, id, Own::Work).await
}

async fn an_alias_is_as_good_as_what_it_stands_for(lab: Lab) {
    let id = unique();
    let (leader, follower) = meet!(lab, |probe| aliased(id, End::Error, probe));
    assert_eq!((leader.returned(), follower.returned()), (Err(Own::Work), Err(Own::Work)));
    let call = lab.start(boarded(aliased(id, End::Value, Probe::default())));
    assert!(aliased_flights().cancel(&id));
    assert_eq!(call.await.returned(), Err(Own::Flight(Error::Cancelled)));
}

/// Promise 10.
#[coalesce(skip(deep))]
async fn recursive(id: u64, deep: bool) -> Result<u64, Error> {
    if deep { Box::pin(recursive(id, false)).await } else { Ok(id) }
}

async fn asking_for_oneself_is_an_error(lab: Lab) {
    let id = unique();
    assert_eq!(lab.start(async move { recursive(id, true).await }).await.returned(), Err(Error::Circular));
    assert_eq!(recursive(id, false).await, Ok(id));
}

#[test]
fn threads_get_the_same() {
    #[coalesce(skip(end))]
    fn own(id: u64, end: End) -> Result<u64, Own> {
        match end {
            End::Value => Ok(id),
            End::Error => Err(Own::Work),
            End::Panic => own(id, End::Value),
        }
    }
    #[coalesce]
    fn plain(id: u64) -> u64 {
        if id == 0 { panic!("a thread's") } else { plain(id) }
    }
    assert_eq!((own(1, End::Value), own(1, End::Error)), (Ok(1), Err(Own::Work)));
    assert_eq!(own(1, End::Panic), Err(Own::Flight(Error::Circular)));
    let message = |id| *std::panic::catch_unwind(|| plain(id)).unwrap_err().downcast::<String>().unwrap();
    let literal = *std::panic::catch_unwind(|| plain(0)).unwrap_err().downcast::<&str>().unwrap();
    assert_eq!(literal, "a thread's");
    let circular =
        "a coalesced call has no result: the work waits for its own result, directly or through other flights";
    assert_eq!(message(1), circular);
}
