//! What a call came to, in the words of the model.

use std::any::Any;

use coflight::{Error, Served, TryError};

use super::asking::Value;
use super::reference::{Answer, Id, Why};

pub fn answer(result: Result<Value, Error>, served: Option<Served>) -> Answer {
    let shared = served.map(|served| served.callers);
    match result {
        Ok(Ok(of)) => Answer::Value(of, shared),
        Ok(Err(of)) => Answer::Failure(*of, shared),
        Err(error) => Answer::Error(why(&error)),
    }
}

pub fn fallible(result: Result<Id, TryError<Id>>, served: Option<Served>) -> Answer {
    answer(
        match result {
            Ok(of) => Ok(Ok(of)),
            Err(TryError::Work(of)) => Ok(Err(of)),
            Err(TryError::Flight(error)) => Err(error),
        },
        served,
    )
}

pub fn why(error: &Error) -> Why {
    match error {
        Error::Full => Why::Full,
        Error::Cancelled => Why::Cancelled,
        Error::TimedOut => Why::TimedOut,
        Error::WaitTimedOut => Why::WaitTimedOut,
        Error::Shutdown => Why::Shutdown,
        Error::Panicked(panic) => Why::Panicked(panic.message().and_then(|of| of.parse().ok())),
        other => unreachable!("{other:?}"),
    }
}

/// Whose work unwound with this.
pub fn whose(payload: &(dyn Any + Send)) -> Option<Id> {
    text(payload)?.parse().ok()
}

pub fn text(payload: &(dyn Any + Send)) -> Option<String> {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref().cloned())
}
