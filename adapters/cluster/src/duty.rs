//! A leader's duty: to renew its lease while the work runs, and to end the flight for all or give it up.

use std::sync::Arc;
use std::time::Duration;

use coflight_core::Runtime;
use futures_lite::future;

use crate::engine::{Engine, EngineError, Keep, Lead, Renewed};
use crate::envelope::{Envelope, Outcome};
use crate::lease::{Followed, Keeping, Lease, Status};
use crate::link::Link;
use crate::watch::ClusterEventKind;

/// What to do when newcomers are not to join the flight any more.
pub(crate) type OnForgotten = Arc<dyn Fn() + Send + Sync>;

/// Of one flight that this process leads. Dropped before the flight has ended, it gives the lease up.
pub(crate) struct Duty<En: Engine, R: Runtime> {
    link: Arc<Link<En, R>>,
    lead: Lead,
    keeping: Arc<Keeping>,
    /// When the flight's time is over.
    pub(crate) deadline: Option<Duration>,
    done: bool,
}

impl<En: Engine, R: Runtime> Duty<En, R> {
    /// The lease was asked for at `asked`.
    pub(crate) fn new(link: Arc<Link<En, R>>, lead: Lead, asked: Duration, forgotten: OnForgotten) -> Self {
        let keeping = Keeping::new(asked.saturating_add(link.lease));
        let renewing = Renewing { link: Arc::clone(&link), lead: lead.clone(), keeping: Arc::clone(&keeping) };
        link.spawn(renewing.renew(forgotten));
        Self { link, lead, keeping, deadline: None, done: false }
    }

    pub(crate) fn lead(&self) -> &Lead {
        &self.lead
    }

    pub(crate) fn keeping(&self) -> &Arc<Keeping> {
        &self.keeping
    }

    pub(crate) fn lease(&self) -> Lease {
        Lease::held(self.lead.token, &self.keeping)
    }

    /// Ends the flight for everyone. Returns whether this is its ending; if not, the lease was lost, or somebody else ended it.
    pub(crate) async fn publish(&mut self, ending: &[u8], linger: Duration) -> Result<bool, EngineError> {
        let keep = Keep { fetch: self.link.lease, linger };
        let published = self.link.ask("publish", || self.link.engine.publish(&self.lead, ending, keep)).await;
        if let Ok(published) = published {
            self.over();
            let kind = if published { ClusterEventKind::Published } else { ClusterEventKind::Refused };
            self.link.tell(kind, &self.lead.name, Some(self.lead.token));
        }
        published
    }

    /// Asks the engine what became of the lease.
    pub(crate) async fn renew(&self) -> Result<Renewed, EngineError> {
        self.link.ask("renew", || self.link.engine.renew(&self.lead, self.link.lease)).await
    }

    /// There is nothing more to do, or to give up.
    pub(crate) fn over(&mut self) {
        self.done = true;
        self.keeping.finish();
    }
}

impl<En: Engine, R: Runtime> Drop for Duty<En, R> {
    fn drop(&mut self) {
        self.keeping.finish();
        if self.done {
            return;
        }
        let (link, lead) = (Arc::clone(&self.link), self.lead.clone());
        let timed_out = self.deadline.is_some_and(|deadline| link.now() >= deadline);
        self.link.spawn(async move {
            if timed_out {
                // All who are aboard anywhere are told.
                let ending: Envelope<&[u8]> =
                    Envelope { outcome: Outcome::TimedOut, process: Arc::clone(&link.process), context: None };
                let keep = Keep { fetch: link.lease, linger: Duration::ZERO };
                let ending = ending.to_bytes();
                // If it does not get through, the lease runs out.
                let _ = link.ask("publish", || link.engine.publish(&lead, &ending, keep)).await;
            } else {
                let _ = link.ask("resign", || link.engine.resign(&lead)).await;
                link.tell(ClusterEventKind::Resigned, &lead.name, Some(lead.token));
            }
        });
    }
}

/// The task that renews a lease.
struct Renewing<En: Engine, R: Runtime> {
    link: Arc<Link<En, R>>,
    lead: Lead,
    keeping: Arc<Keeping>,
}

impl<En: Engine, R: Runtime> Renewing<En, R> {
    async fn renew(self, forgotten: OnForgotten) {
        let link = &self.link;
        let mut pause = link.beat();
        loop {
            // First these, so that nothing is missed.
            let wake = self.keeping.listen_wake();
            let changed = link.engine.changed(&self.lead.name);
            if self.keeping.is_finished() {
                return;
            }
            future::or(wake, future::or(changed, link.sleep(pause))).await;
            if self.keeping.is_finished() {
                return;
            }
            let sent = link.now();
            if !self.keeping.is_driven(sent, link.beat()) {
                // Somebody else is to go on, without waiting for the lease to run out.
                let _ = link.ask("resign", || link.engine.resign(&self.lead)).await;
                return;
            }
            let until = sent.saturating_add(link.patience.min(link.beat()));
            match link.ask_once("renew", until, || link.engine.renew(&self.lead, link.lease)).await {
                Ok(Renewed::Held { followed, forgotten: is_forgotten }) => {
                    if is_forgotten {
                        forgotten();
                    }
                    // Whoever waits looks once a beat, so what is older than two is gone.
                    let by = followed.is_some_and(|ago| ago <= 2 * link.beat());
                    self.keeping.renewed(sent.saturating_add(link.lease), Followed { by, at: sent });
                    pause = link.beat();
                }
                Ok(Renewed::Lost { .. }) => return self.keeping.set(Status::Lost),
                Ok(Renewed::Ended(ending)) => return self.keeping.set(Status::Ended(ending)),
                Err(error) => {
                    let now = link.now();
                    link.is_down(&error, now);
                    if now >= self.keeping.state().valid_until {
                        return self.keeping.set(Status::CutOff(error));
                    }
                    pause = link.beat() / 4;
                }
            }
        }
    }
}

impl<En: Engine, R: Runtime> Drop for Renewing<En, R> {
    fn drop(&mut self) {
        // If it has not ended by itself, its runtime was shut down, and nobody renews the lease any more.
        self.keeping.set(Status::CutOff(EngineError::new("the runtime dropped the task that renews the lease")));
    }
}
