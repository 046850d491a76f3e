//! A program's words, as calls of the library: the group of a setup, the call of a request.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use coflight::{Builder, Call, Entry, Error, Group, OnFailure, Runtime, Served, TryError, TryGroup, Turn, Verb};

use super::key::{Colliding, Key};
use super::program::{Request, Setup};
use super::reference::Id;

pub type Value = Result<Id, Arc<Id>>;
pub type Flights<R> = TryGroup<Key, Id, Id, R, Colliding>;

/// What a call came to.
pub enum Outcome<R> {
    Plain(Result<Value, Error>, Served),
    Fallible(Result<Id, TryError<Id>>, Served),
    Turn(Result<Turn<Key, Value, R, Colliding>, Error>, Option<Served>),
}

/// The group of a setup, whose ticks are as long as `tick`; it may still be given observers.
pub fn builder<R: Runtime>(setup: &Setup, runtime: R, tick: Duration) -> Builder<Key, Value, R, Colliding> {
    let mut group = Group::builder().runtime(runtime).hasher(Colliding).shards(2).detach(setup.detach);
    let limits = &setup.limits;
    if let Some(limit) = limits.timeout {
        group = group.timeout(tick * limit);
    }
    if let Some(limit) = limits.overtake_after {
        group = group.overtake_after(tick * limit);
    }
    if let Some(limit) = limits.wait_timeout {
        group = group.wait_timeout(tick * limit);
    }
    if let Some(limit) = limits.join_within {
        group = group.join_within(tick * limit);
    }
    if let Some(limit) = limits.linger {
        group = group.linger(tick * limit);
    }
    if let Some(limit) = limits.max_flights {
        group = group.max_flights(limit as usize);
    }
    if let Some(limit) = limits.max_callers {
        group = group.max_callers(limit as usize);
    }
    if setup.timed {
        group = group.timed();
    }
    if setup.judged {
        group = group.failed_if(Result::is_err);
    }
    if setup.linger_failures {
        group = group.linger_failures(true);
    }
    if setup.retries > 0 {
        group = group.on_failure(OnFailure::Retry { limit: setup.retries });
    }
    group
}

/// The call of a request, by its verb. That of an `enter` asks when it is polled first, follows from the second poll on, and is ready when it leads.
pub fn call<R, W>(
    group: Flights<R>,
    key: Key,
    request: Request,
    (id, tick): (Id, Duration),
    start: impl FnOnce() -> W + Send + 'static,
) -> Pin<Box<dyn Future<Output = Outcome<R>> + Send>>
where
    R: Runtime,
    W: Future<Output = Result<Id, Id>> + Send + 'static,
{
    let plain = |work: W| async move { work.await.map_err(Arc::new) };
    Box::pin(async move {
        let call = with_options(&group, &request, id, tick);
        match (request.verb, request.fallible) {
            (Verb::Relay, false) => {
                let (result, served) = call.relay(&key, move || plain(start())).with_served().await;
                Outcome::Plain(result, served)
            }
            (Verb::Relay, true) => {
                let (result, served) = call.try_relay(&key, start).with_served().await;
                Outcome::Fallible(result, served)
            }
            (Verb::Spawn, false) => {
                let (result, served) = call.spawn(&key, move || plain(start())).with_served().await;
                Outcome::Plain(result, served)
            }
            (Verb::Spawn, true) => {
                let (result, served) = call.try_spawn(&key, start).with_served().await;
                Outcome::Fallible(result, served)
            }
            (Verb::Enter, _) => match call.enter(&key) {
                Entry::Leader(leader) => Outcome::Turn(Ok(Turn::Leader(leader)), None),
                Entry::Follower(follower) => {
                    crate::yield_now().await;
                    let (turn, served) = follower.with_served().await;
                    Outcome::Turn(turn, Some(served))
                }
            },
            (_, false) => {
                let (result, served) = call.run(&key, move || plain(start())).with_served().await;
                Outcome::Plain(result, served)
            }
            (_, true) => {
                let (result, served) = call.try_run(&key, start).with_served().await;
                Outcome::Fallible(result, served)
            }
        }
    })
}

/// The request's options, for any verb.
pub fn with_options<'g, R: Runtime>(
    group: &'g Flights<R>,
    request: &Request,
    id: Id,
    tick: Duration,
) -> Call<'g, Key, Value, R, Colliding> {
    let mut call = group.call();
    let limits = &request.limits;
    let ticks = |limit: u32| tick * limit;
    if let Some(limit) = limits.timeout {
        call = call.timeout(limit.map(ticks));
    }
    if let Some(limit) = limits.overtake_after {
        call = call.overtake_after(limit.map(ticks));
    }
    if let Some(limit) = limits.wait_timeout {
        call = call.wait_timeout(limit.map(ticks));
    }
    if let Some(limit) = limits.join_within {
        call = call.join_within(limit.map(ticks));
    }
    if let Some(limit) = limits.linger {
        call = call.linger(limit.map(ticks));
    }
    if let Some(limit) = limits.max_flights {
        call = call.max_flights(limit.map(|limit| limit as usize));
    }
    if let Some(limit) = limits.max_callers {
        call = call.max_callers(limit.map(|limit| limit as usize));
    }
    if let Some(detach) = request.detach {
        call = call.detach(detach);
    }
    if request.tagged {
        call = call.metadata(id);
    }
    call
}
