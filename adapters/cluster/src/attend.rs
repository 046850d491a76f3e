//! One process asks the engine: it leads, or waits for whoever does.

use std::future::{Future, ready};
use std::sync::Arc;

use coflight_core::Runtime;

use crate::duty::Duty;
use crate::engine::{Engine, EngineError, Joined, Lead, Name, Nonce, Seen, Token};
use crate::following::{Followed, Following};
use crate::link::Link;
use crate::watch::ClusterEventKind;

/// What attending comes to.
pub(crate) enum Attended<En: Engine, R: Runtime> {
    /// This process leads.
    Leads(Duty<En, R>),
    /// The flight has ended.
    Ended(Ending),
    /// The engine is not available.
    Unavailable(EngineError),
}

/// How a flight ended elsewhere.
pub(crate) struct Ending {
    pub(crate) token: Token,
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) lingered: bool,
}

/// Attends for `name` until the flight has ended, or this process leads it. If somebody did for the same callers before, it goes on from there.
pub(crate) async fn attend<En: Engine, R: Runtime>(
    link: &Arc<Link<En, R>>,
    name: &Name,
    following: &Following,
) -> Attended<En, R> {
    let mut follower = Follower { link, name, following, followed: false };
    let mut succeeds = false;
    loop {
        if let Some(noted) = following.known() {
            succeeds = true;
            follower.followed |= !noted.led;
            // At once, because nobody may have looked for a while.
            if let Some(attended) = follower.follow(&noted, ready(())).await {
                return attended;
            }
            // Meanwhile something else may be known.
            continue;
        }
        // Before asking, so that no change after the answer is missed.
        let changed = link.engine.changed(name);
        let asked = link.now();
        let joined = match join(link, name).await {
            Ok(joined) => joined,
            Err(error) => return Attended::Unavailable(error),
        };
        match joined {
            (Joined::Leads(token), nonce) => {
                following.leads(token);
                let kind = if follower.followed { ClusterEventKind::Succeeded } else { ClusterEventKind::Led };
                link.tell(kind, name, Some(token));
                let lead = Lead { name: name.clone(), token, nonce };
                if follower.followed {
                    // The others may not know yet that whom they follow is gone.
                    let (link, name) = (Arc::clone(link), name.clone());
                    link.clone().spawn(async move {
                        let _ = link.insist("tell", link.patience, || link.engine.tell(&name)).await;
                    });
                }
                return Attended::Leads(Duty::new(
                    Arc::clone(link),
                    lead,
                    asked,
                    succeeds || follower.followed,
                    following.hooks.clone(),
                    Box::pin(changed),
                ));
            }
            (Joined::Lingers(token, bytes), _) => {
                link.tell(ClusterEventKind::Lingered, name, Some(token));
                return Attended::Ended(Ending { token, bytes, lingered: true });
            }
            (Joined::Follows(token), _) => {
                follower.tell(token);
                if let Some(attended) = follower.follow(&Arc::new(Followed { token, led: false }), changed).await {
                    return attended;
                }
            }
        }
    }
}

struct Follower<'a, En: Engine, R: Runtime> {
    link: &'a Arc<Link<En, R>>,
    name: &'a Name,
    following: &'a Following,
    /// Its process followed somebody.
    followed: bool,
}

impl<En: Engine, R: Runtime> Follower<'_, En, R> {
    /// Once for each that attends.
    fn tell(&mut self, token: Token) {
        if !self.followed {
            self.link.tell(ClusterEventKind::Followed, self.name, Some(token));
            self.followed = true;
        }
    }

    /// `None`: the flight is gone without an ending, and perhaps this process will lead.
    async fn follow(&mut self, noted: &Arc<Followed>, changed: impl Future<Output = ()>) -> Option<Attended<En, R>> {
        self.following.begin(noted);
        let ended = self.until_ended(noted.token, changed).await;
        self.following.over(noted);
        match ended {
            Ok(Some(bytes)) => {
                self.link.tell(ClusterEventKind::Answered, self.name, Some(noted.token));
                Some(Attended::Ended(Ending { token: noted.token, bytes, lingered: false }))
            }
            Ok(None) => None,
            Err(error) => Some(Attended::Unavailable(error)),
        }
    }

    /// `None`: the flight is gone without an ending.
    async fn until_ended(
        &mut self,
        token: Token,
        changed: impl Future<Output = ()>,
    ) -> Result<Option<Arc<[u8]>>, EngineError> {
        let (link, name) = (self.link, self.name);
        let mut in_vain = 0;
        let mut told = link.change(changed, link.beat()).await?;
        loop {
            let changed = link.engine.changed(name);
            match link.ask("look", || link.engine.look(name, token)).await? {
                Seen::Ended(bytes) => return Ok(Some(bytes)),
                Seen::Gone => return Ok(None),
                Seen::Flies { forgotten } => {
                    self.tell(token);
                    if forgotten {
                        (self.following.hooks.forgotten)();
                    }
                }
            }
            link.calm(told, &mut in_vain).await?;
            told = link.change(changed, link.beat()).await?;
        }
    }
}

/// Joins. If nobody waits for the answer any more, or it did not come in time, whatever was led by then is given up.
pub(crate) async fn join<En: Engine, R: Runtime>(
    link: &Arc<Link<En, R>>,
    name: &Name,
) -> Result<(Joined, Nonce), EngineError> {
    link.health.admit(link.now(), link.patience)?;
    let nonce = Nonce::random()?;
    let mut asking = Asking { link, name, nonce, answered: false };
    let joined = link.insist("join", link.patience, || link.engine.join(name, nonce, link.lease)).await?;
    asking.answered = true;
    Ok((joined, nonce))
}

struct Asking<'a, En: Engine, R: Runtime> {
    link: &'a Arc<Link<En, R>>,
    name: &'a Name,
    nonce: Nonce,
    answered: bool,
}

impl<En: Engine, R: Runtime> Drop for Asking<'_, En, R> {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        let (link, name, nonce) = (Arc::clone(self.link), self.name.clone(), self.nonce);
        self.link.spawn(async move {
            // For no longer than it takes to give it up, but for that: whoever follows meanwhile is told.
            let lease = link.patience.min(link.lease);
            // Who asks again gets the same answer. If the flight is not this one's, following it has no consequence but that its leader believes, for
            // a moment, that somebody waits.
            let joined = link.insist("join", link.lease, || link.engine.join(&name, nonce, lease)).await;
            if let Ok(Joined::Leads(token)) = joined {
                let lead = Lead { name, token, nonce };
                let _ = link.insist("resign", link.lease, || link.engine.resign(&lead)).await;
            }
        });
    }
}
