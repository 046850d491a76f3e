//! The verbs of coflight.

use std::future::Future;

use coflight::{Entry, Error, Group, Tokio, Turn};

use super::{Blocking, Key, Kind, Subject};

type Answer = Result<u64, Error>;

fn value(answer: Answer) -> u64 {
    answer.expect("no flight is cancelled here")
}

pub(crate) struct Run<K>(Group<K, u64>);

impl<K: Key> Subject<K> for Run<K> {
    const NAME: &'static str = "coflight-run";
    const KIND: Kind = Kind::Ours;
    type Answer = Answer;

    fn new(_flights: usize) -> Self {
        Self(Group::new())
    }

    fn call<'a, F, Fut>(&'a self, key: &'a K::Borrowed, work: F) -> impl Future<Output = Answer> + Send + 'a
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = u64> + Send + 'static,
    {
        self.0.run(key, work)
    }

    fn value(answer: Answer) -> u64 {
        value(answer)
    }

    fn outcome(answer: Answer) -> Option<u64> {
        answer.ok()
    }
}

pub(crate) struct Relay<K>(Group<K, u64>);

impl<K: Key> Subject<K> for Relay<K> {
    const NAME: &'static str = "coflight-relay";
    const KIND: Kind = Kind::Ours;
    type Answer = Answer;

    fn new(_flights: usize) -> Self {
        Self(Group::new())
    }

    fn call<'a, F, Fut>(&'a self, key: &'a K::Borrowed, work: F) -> impl Future<Output = Answer> + Send + 'a
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = u64> + Send + 'static,
    {
        self.0.relay(key, work)
    }

    fn value(answer: Answer) -> u64 {
        value(answer)
    }

    fn outcome(answer: Answer) -> Option<u64> {
        answer.ok()
    }
}

pub(crate) struct Spawn<K>(Group<K, u64, Tokio>);

impl<K: Key> Subject<K> for Spawn<K> {
    const NAME: &'static str = "coflight-spawn";
    const KIND: Kind = Kind::Ours;
    type Answer = Answer;

    fn new(_flights: usize) -> Self {
        Self(Group::with_runtime(Tokio::current()))
    }

    fn call<'a, F, Fut>(&'a self, key: &'a K::Borrowed, work: F) -> impl Future<Output = Answer> + Send + 'a
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = u64> + Send + 'static,
    {
        self.0.spawn(key, work)
    }

    fn value(answer: Answer) -> u64 {
        value(answer)
    }

    fn outcome(answer: Answer) -> Option<u64> {
        answer.ok()
    }
}

pub(crate) struct Enter<K>(Group<K, u64>);

impl<K: Key> Subject<K> for Enter<K> {
    const NAME: &'static str = "coflight-enter";
    const KIND: Kind = Kind::Ours;
    type Answer = Answer;

    fn new(_flights: usize) -> Self {
        Self(Group::new())
    }

    async fn call<'a, F, Fut>(&'a self, key: &'a K::Borrowed, work: F) -> Answer
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = u64> + Send + 'static,
    {
        let leader = match self.0.enter(key) {
            Entry::Leader(leader) => leader,
            Entry::Follower(follower) => match follower.await? {
                Turn::Value(value) => return Ok(value),
                Turn::Leader(leader) => leader,
            },
        };
        leader.complete(work().await)
    }

    fn value(answer: Answer) -> u64 {
        value(answer)
    }

    fn outcome(answer: Answer) -> Option<u64> {
        answer.ok()
    }
}

pub(crate) struct RunBlocking<K>(Group<K, u64>);

impl<K: Key> Blocking<K> for RunBlocking<K> {
    const NAME: &'static str = "coflight-run_blocking";
    const KIND: Kind = Kind::Ours;

    fn new() -> Self {
        Self(Group::new())
    }

    fn call(&self, key: &K::Borrowed, work: impl FnOnce() -> u64) -> u64 {
        value(self.0.run_blocking(key, work))
    }
}
