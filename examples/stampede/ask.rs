//! The callers: what each of them does once the gate is open, and with which verb.
//!
//! This is what a user of coflight writes: a group, a key, a work, a verb. The same work is done with and without a group.

use std::sync::Arc;
use std::thread;

use coflight::{AsyncStd, Group, NoRuntime, Runtime, Smol, Tokio, TryGroup};

use crate::args;
use crate::backend::{Backend, Failure};
use crate::crowd::{Answer, Stand};
use crate::database::Rows;
use crate::home::Home;

/// The queries in progress, by shop.
pub type Flights<R> = TryGroup<u32, Rows, Failure, R>;

/// How a task asks. A thread has [`Group::try_run_blocking`].
#[derive(Clone, Copy)]
enum Verb {
    /// The leader's own future.
    Run,
    /// One future that any caller can continue.
    Relay,
    /// A task of the group's runtime.
    Spawn,
}

/// Asks as a task, in one flight with whoever asks for the same shop, if there are flights.
async fn ask<B: Backend, R: Runtime>(
    backend: Arc<B>,
    home: impl Home,
    flights: Option<Flights<R>>,
    verb: Verb,
    shop: u32,
) -> Answer {
    if let Some(rows) = backend.at_hand(shop) {
        return Ok(rows);
    }
    let work = || backend.fetch(home, shop);
    let Some(flights) = flights else {
        return work().await.map_err(|failure| failure.to_string());
    };
    let rows = match verb {
        Verb::Run => flights.try_run(&shop, work).await,
        Verb::Relay => flights.try_relay(&shop, work).await,
        Verb::Spawn => flights.try_spawn(&shop, work).await,
    };
    rows.map_err(|error| error.to_string())
}

/// The same as a thread.
fn ask_blocking<B: Backend, R>(backend: &B, flights: Option<&Flights<R>>, shop: u32) -> Answer {
    if let Some(rows) = backend.at_hand(shop) {
        return Ok(rows);
    }
    let work = || backend.fetch_blocking(shop);
    let Some(flights) = flights else {
        return work().map_err(|failure| failure.to_string());
    };
    flights.try_run_blocking(&shop, work).map_err(|error| error.to_string())
}

/// Sends callers to the gate, each from where it lives.
pub struct Callers<'a, B> {
    pub count: usize,
    pub keys: usize,
    pub coalesced: bool,
    pub backend: &'a Arc<B>,
    pub stand: &'a Stand,
    pub tokio: Tokio,
}

impl<B: Backend> Callers<'_, B> {
    pub fn send(&self, runtime: args::Runtime) -> Result<(), String> {
        match runtime {
            args::Runtime::Tokio => self.tasks(&self.tokio),
            args::Runtime::Smol => self.tasks(&Smol::global()),
            args::Runtime::AsyncStd => self.tasks(&AsyncStd::new()),
            args::Runtime::Threads => self.threads(),
            args::Runtime::Mixed => self.mixed(),
        }
    }

    /// All on one runtime, which the group spawns on, too.
    fn tasks<H: Home>(&self, home: &H) -> Result<(), String> {
        let flights = self.coalesced.then(|| Group::with_runtime(home.clone()));
        (0..self.count).for_each(|caller| self.task(home, flights.as_ref(), Verb::Spawn, caller));
        Ok(())
    }

    /// All on threads of their own. Their group needs no runtime.
    fn threads(&self) -> Result<(), String> {
        let flights: Option<Flights<NoRuntime>> = self.coalesced.then(Group::new);
        (0..self.count).try_for_each(|caller| self.thread(flights.as_ref(), caller))
    }

    /// On three runtimes and on threads, in turn for each key, with a verb each: whoever comes first leads them all.
    fn mixed(&self) -> Result<(), String> {
        let (smol, async_std) = (Smol::global(), AsyncStd::new());
        let flights = self.coalesced.then(|| Group::with_runtime(self.tokio.clone()));
        let flights = flights.as_ref();
        for caller in 0..self.count {
            match caller / self.keys % 4 {
                0 => self.task(&self.tokio, flights, Verb::Spawn, caller),
                1 => self.task(&smol, flights, Verb::Relay, caller),
                2 => self.task(&async_std, flights, Verb::Run, caller),
                _ => self.thread(flights, caller)?,
            }
        }
        Ok(())
    }

    fn task<H: Home, R: Runtime>(&self, home: &H, flights: Option<&Flights<R>>, verb: Verb, caller: usize) {
        let shop = self.shop(caller);
        let answer = ask(Arc::clone(self.backend), home.clone(), flights.cloned(), verb, shop);
        let stand = self.stand.clone();
        home.spawn(async move {
            let opened = stand.gate.pass().await;
            stand.tell(shop, opened, answer.await);
        });
    }

    fn thread<R: Send + Sync + 'static>(&self, flights: Option<&Flights<R>>, caller: usize) -> Result<(), String> {
        let shop = self.shop(caller);
        let (backend, flights, stand) = (Arc::clone(self.backend), flights.cloned(), self.stand.clone());
        let body = move || {
            let opened = stand.gate.pass_blocking();
            stand.tell(shop, opened, ask_blocking(&*backend, flights.as_ref(), shop));
        };
        match thread::Builder::new().spawn(body) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("cannot start thread {} of {}: {error}", caller + 1, self.count)),
        }
    }

    fn shop(&self, caller: usize) -> u32 {
        (caller % self.keys) as u32
    }
}
