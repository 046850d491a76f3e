//! A leader's duty: to end the flight for all, or to give it up.

use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use coflight_core::Runtime;

use crate::engine::{Engine, EngineError, Keep, Lead, Renewed};
use crate::envelope::Outcome;
use crate::guarded::{Driven, Guarded};
use crate::keeping::{Keeping, Status};
use crate::lease::Lease;
use crate::link::Link;
use crate::renewing::{Hooks, News, Renewing};
use crate::watch::ClusterEventKind;

/// Of one flight that this process leads. Dropped before the flight has ended, it gives the lease up.
pub(crate) struct Duty<En: Engine, R: Runtime> {
    link: Arc<Link<En, R>>,
    lead: Lead,
    /// With the token that the work has.
    lease: Lease,
    keeping: Arc<Keeping>,
    hooks: Hooks,
    /// The ending that is on its way.
    publication: Option<Publication>,
    done: bool,
}

#[derive(Clone)]
struct Publication {
    ending: Arc<[u8]>,
    keep: Keep,
}

impl<En: Engine, R: Runtime> Duty<En, R> {
    /// The lease was asked for at `asked`, and `changed` was made before. Others may wait who have to find it, if it `succeeds` another.
    pub(crate) fn new(
        link: Arc<Link<En, R>>,
        lead: Lead,
        asked: Duration,
        succeeds: bool,
        hooks: Hooks,
        changed: News,
    ) -> Self {
        let found_by = if succeeds { found_by(&link) } else { Duration::ZERO };
        let keeping = Keeping::new(asked.saturating_add(link.lease), found_by);
        link.leads.add(&lead.name, &keeping);
        let lease = Lease::held(lead.token, &keeping);
        let this = Self { link, lead, lease, keeping, hooks, publication: None, done: false };
        this.begin_renewing(changed);
        this
    }

    fn begin_renewing(&self, changed: News) {
        let (link, lead, keeping) = (Arc::clone(&self.link), self.lead.clone(), Arc::clone(&self.keeping));
        self.link.spawn(Renewing { link, lead, keeping, said: false }.renew(self.hooks.clone(), changed));
    }

    pub(crate) fn lead(&self) -> &Lead {
        &self.lead
    }

    pub(crate) fn keeping(&self) -> &Arc<Keeping> {
        &self.keeping
    }

    pub(crate) fn lease(&self) -> Lease {
        self.lease.clone()
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.hooks.deadline
    }

    /// The same work goes on under this lease, which was asked for at `asked`. The work keeps the token that it has: what it did by then it did under that.
    pub(crate) fn lead_again(&mut self, lead: Lead, asked: Duration, changed: News) {
        self.lead = lead;
        if !self.keeping.is_forgotten() {
            self.link.leads.add(&self.lead.name, &self.keeping);
        }
        self.keeping.held(asked.saturating_add(self.link.lease), found_by(&self.link));
        self.begin_renewing(changed);
    }

    /// Ends the flight for everyone. Returns whether this is its ending; if not, the lease was lost, or somebody else ended it.
    pub(crate) async fn publish(&mut self, ending: &[u8], linger: Duration) -> Result<bool, EngineError> {
        self.keeping.publishing();
        let publication = Publication { ending: ending.into(), keep: Keep { fetch: self.link.lease, linger } };
        self.publication = Some(publication.clone());
        let mut is_over = true;
        let published = {
            let link = &self.link;
            let publish = publish(link, &self.lead, publication, link.patience);
            // As the work was, so that the lease is given up if nobody drives this.
            match pin!(Guarded::new(publish, Arc::clone(&self.keeping), || link.now())).await {
                Driven::Done(Ok(published)) => published,
                Driven::Done(Err(panic)) => resume_unwind(panic),
                Driven::Stopped(Status::CutOff(error)) => Err(error),
                // It may have got there before that.
                Driven::Stopped(_) => self.renew().await.map(|renewed| {
                    // Of what ended it, the engine does not know.
                    is_over = !matches!(renewed, Renewed::Held { .. });
                    let published = matches!(renewed, Renewed::Ended(there) if *there == *ending);
                    tell_published(link, &self.lead, published);
                    published
                }),
            }
        };
        self.publication = None;
        if published.is_ok() && is_over {
            self.over();
        }
        published
    }

    /// Asks the engine what became of the lease.
    pub(crate) async fn renew(&self) -> Result<Renewed, EngineError> {
        let renew = || self.link.engine.renew(&self.lead, self.link.lease);
        self.link.insist("renew", self.link.patience, renew).await
    }

    /// There is nothing more to do, or to give up.
    pub(crate) fn over(&mut self) {
        self.done = true;
        self.finish();
    }

    fn finish(&self) {
        self.link.leads.remove(&self.lead.name, &self.keeping);
        self.keeping.finish();
    }
}

impl<En: Engine, R: Runtime> Drop for Duty<En, R> {
    fn drop(&mut self) {
        self.finish();
        if self.done {
            return;
        }
        let (link, lead, publication) = (Arc::clone(&self.link), self.lead.clone(), self.publication.take());
        let (forgotten, keeping) = (Arc::clone(&self.hooks.forgotten), Arc::clone(&self.keeping));
        if publication.is_some() || matches!(self.keeping.state().status, Status::Ended(_)) {
            // Those aboard get it, whoever of them left. It is not for newcomers.
            forgotten();
        }
        let timed_out = link.is_over(self.deadline());
        self.link.spawn(async move {
            // If it does not get through, the lease runs out.
            if timed_out {
                let _ = time_out(&link, &lead).await;
            } else if let Some(publication) = publication {
                let _ = publish(&link, &lead, publication, link.lease).await;
            } else if let Ok(true) = resign(&link, &lead, &keeping).await {
                // As above; nobody here had heard of it.
                forgotten();
            }
        });
    }
}

/// When whoever waits has found a lease that is there now, because they look once a beat.
fn found_by<En: Engine, R: Runtime>(link: &Link<En, R>) -> Duration {
    link.now().saturating_add(2 * link.beat())
}

/// Returns whether it is the flight's ending.
async fn publish<En: Engine, R: Runtime>(
    link: &Link<En, R>,
    lead: &Lead,
    publication: Publication,
    limit: Duration,
) -> Result<bool, EngineError> {
    let Publication { ending, keep } = &publication;
    let published = link.insist("publish", limit, || link.engine.publish(lead, ending, *keep)).await?;
    tell_published(link, lead, published);
    Ok(published)
}

fn tell_published<En: Engine, R: Runtime>(link: &Link<En, R>, lead: &Lead, published: bool) {
    let kind = if published { ClusterEventKind::Published } else { ClusterEventKind::Refused };
    link.tell(kind, &lead.name, Some(lead.token));
}

/// Gives the lease up. Returns whether the flight has an ending, so that there was nothing to give up.
pub(crate) async fn resign<En: Engine, R: Runtime>(
    link: &Link<En, R>,
    lead: &Lead,
    keeping: &Keeping,
) -> Result<bool, EngineError> {
    let ended = link.insist("resign", link.lease, || link.engine.resign(lead)).await?;
    if !ended && keeping.resigned() {
        link.tell(ClusterEventKind::Resigned, &lead.name, Some(lead.token));
    }
    Ok(ended)
}

/// Tells all who are aboard, anywhere, that the flight's time is over. Returns what they are told.
pub(crate) async fn time_out<En: Engine, R: Runtime>(link: &Link<En, R>, lead: &Lead) -> Vec<u8> {
    let ending = link.ending(Outcome::TimedOut);
    let keep = Keep { fetch: link.lease, linger: Duration::ZERO };
    // If it does not get through, the lease runs out.
    let _ = link.insist("publish", link.lease, || link.engine.publish(lead, &ending, keep)).await;
    ending
}
