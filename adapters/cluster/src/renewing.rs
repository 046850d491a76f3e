//! The task that renews a lease, for as long as the work is driven.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use coflight_core::Runtime;
use futures_lite::future;

use crate::duty::{resign, time_out};
use crate::engine::{Engine, EngineError, Lead, Renewed};
use crate::keeping::{Keeping, LastLook, Status};
use crate::link::Link;

/// What to do in the process when something happens to a flight that it leads, or follows.
#[derive(Clone)]
pub(crate) struct Hooks {
    /// Newcomers are not to join it any more.
    pub(crate) forgotten: Arc<dyn Fn() + Send + Sync>,
    /// When its time is over.
    pub(crate) deadline: Option<Duration>,
}

/// What an engine tells of a name.
pub(crate) type News = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(crate) struct Renewing<En: Engine, R: Runtime> {
    pub(crate) link: Arc<Link<En, R>>,
    pub(crate) lead: Lead,
    pub(crate) keeping: Arc<Keeping>,
    /// It said what became of the lease.
    pub(crate) said: bool,
}

impl<En: Engine, R: Runtime> Renewing<En, R> {
    /// `changed` was made before the lease was asked for, so that nothing is missed.
    pub(crate) async fn renew(mut self, hooks: Hooks, changed: News) {
        if let Some(status) = self.until_over(hooks, changed).await {
            // First this: from then on the lease may be another one.
            self.said = true;
            self.keeping.set(status);
        }
    }

    /// What became of the lease. `None`: nothing more is to be done for it, or can be.
    async fn until_over(&self, hooks: Hooks, changed: News) -> Option<Status> {
        let link = &self.link;
        let mut pause = link.beat();
        let mut in_vain = 0;
        let mut changed = changed;
        loop {
            let told = self.wait(changed, pause, hooks.deadline).await.ok()?;
            // Before the engine is asked, for the same reason.
            changed = self.listen();
            if self.keeping.is_finished() {
                return None;
            }
            if self.keeping.is_ended_here() {
                // Also if nobody drives the work, and so sees that it is over.
                let _ = resign(link, &self.lead, &self.keeping).await;
                return None;
            }
            if told && self.keeping.is_publishing() {
                // Most likely it is this very publication that is told.
                link.calm(told, &mut in_vain).await.ok()?;
                continue;
            }
            // Whoever wanted it until now gets it.
            self.keeping.clear_wanted();
            let sent = link.now();
            if hooks.deadline.is_some_and(|deadline| sent >= deadline) {
                // Also if whoever drives the work is stuck in it.
                let ending = time_out(link, &self.lead).await;
                return Some(Status::Ended(ending.into()));
            }
            if !self.keeping.is_driven(sent, link.beat()) {
                // Somebody else is to go on, without waiting for the lease to run out.
                let _ = resign(link, &self.lead, &self.keeping).await;
                return Some(Status::Lost);
            }
            let limit = link.patience.min(link.beat());
            match link.ask_once("renew", limit, || link.engine.renew(&self.lead, link.lease)).await {
                Ok(Renewed::Held { followed, forgotten }) => {
                    if forgotten {
                        // First this: who cancels from then on does not mean this flight.
                        link.leads.forgotten(&self.lead.name, &self.keeping);
                        (hooks.forgotten)();
                    }
                    // Whoever waits looks once a beat, so what is older than two is gone.
                    let by = followed.is_some_and(|ago| ago <= 2 * link.beat());
                    self.keeping.renewed(sent.saturating_add(link.lease), LastLook { by, at: sent });
                    pause = link.beat();
                    link.calm(told, &mut in_vain).await.ok()?;
                }
                Ok(Renewed::Lost { .. }) => return Some(Status::Lost),
                Ok(Renewed::Ended(ending)) => return Some(Status::Ended(ending)),
                Err(error) => {
                    if link.now() >= self.keeping.state().valid_until {
                        return Some(Status::CutOff(error));
                    }
                    pause = link.beat() / 4;
                }
            }
        }
    }

    fn listen(&self) -> News {
        Box::pin(self.link.engine.changed(&self.lead.name))
    }

    /// For a beat, or until there is something to do; whether that was so. `Err`: there is no time any more.
    async fn wait(&self, changed: News, pause: Duration, deadline: Option<Duration>) -> Result<bool, EngineError> {
        // First this, so that nothing is missed.
        let wake = self.keeping.listen_wake();
        if self.keeping.is_finished() || self.keeping.is_wanted() {
            return Ok(false);
        }
        let left = deadline.map_or(pause, |deadline| deadline.saturating_sub(self.link.now()));
        self.link.change(future::or(wake, changed), pause.min(left)).await
    }
}

impl<En: Engine, R: Runtime> Drop for Renewing<En, R> {
    fn drop(&mut self) {
        if self.said {
            return;
        }
        // If nothing was left to be done, nobody minds. Else its runtime was shut down, and nobody renews the lease any more.
        self.keeping.set(Status::CutOff(EngineError::new("the runtime dropped the task that renews the lease")));
    }
}
