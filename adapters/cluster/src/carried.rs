//! A work that goes on for callers of other processes after all of its own have left.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use coflight_core::Runtime;
use futures_lite::{FutureExt, future};

use crate::engine::{Engine, Lead};
use crate::keeping::{Keeping, Status};
use crate::landing::Landed;
use crate::link::Link;
use crate::watch::ClusterEventKind;

type Work<V> = Pin<Box<dyn Future<Output = Landed<V>> + Send>>;

/// Polls the work. Dropped before it is done, it leaves it to a task of its own, for as long as somebody elsewhere waits.
pub(crate) struct Carried<V: Send + 'static, En: Engine, R: Runtime> {
    work: Option<Work<V>>,
    link: Arc<Link<En, R>>,
    lead: Lead,
    keeping: Arc<Keeping>,
    deadline: Option<Duration>,
}

impl<V: Send + 'static, En: Engine, R: Runtime> Carried<V, En, R> {
    pub(crate) fn new(
        work: Work<V>,
        link: Arc<Link<En, R>>,
        lead: Lead,
        keeping: Arc<Keeping>,
        deadline: Option<Duration>,
    ) -> Self {
        Self { work: Some(work), link, lead, keeping, deadline }
    }
}

impl<V: Send + 'static, En: Engine, R: Runtime> Unpin for Carried<V, En, R> {}

impl<V: Send + 'static, En: Engine, R: Runtime> Future for Carried<V, En, R> {
    type Output = Landed<V>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Landed<V>> {
        // Out of its place meanwhile, so that a work that panicked is not polled again.
        let Some(mut work) = self.work.take() else { unreachable!("it was polled after it was done") };
        let polled = work.as_mut().poll(cx);
        if polled.is_pending() {
            self.work = Some(work);
        }
        polled
    }
}

impl<V: Send + 'static, En: Engine, R: Runtime> Drop for Carried<V, En, R> {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        // What its own process dropped because its time was over is not to go on.
        if self.link.is_over(self.deadline) || !matches!(self.keeping.state().status, Status::Held) {
            return;
        }
        let (link, lead, keeping) = (Arc::clone(&self.link), self.lead.clone(), Arc::clone(&self.keeping));
        let now = self.link.now();
        let left = self.deadline.map(|deadline| deadline.saturating_sub(now));
        keeping.carry_on();
        self.link.spawn(async move {
            let unwanted = unwanted(&link, &lead, &keeping, now);
            let late = async {
                match left {
                    // If there is no time any more, nobody renews the lease either.
                    Some(left) => drop(link.sleep(left).await),
                    None => future::pending().await,
                }
            };
            // Nobody here waits for its result, or would hear its panic. What it panics with in its end is its own.
            let done = async { drop(AssertUnwindSafe(work).catch_unwind().await) };
            let all = Box::pin(future::or(unwanted, future::or(late, done)));
            let mut all = Some(all);
            poll_fn(|cx| {
                let polled = all.as_mut().map_or(Poll::Ready(()), |all| all.as_mut().poll(cx));
                if polled.is_ready() {
                    let _ = catch_unwind(AssertUnwindSafe(|| drop(all.take())));
                }
                polled
            })
            .await;
        });
    }
}

/// Ready when nobody waits, in no process, or the flight was ended.
async fn unwanted<En: Engine, R: Runtime>(link: &Link<En, R>, lead: &Lead, keeping: &Keeping, since: Duration) {
    let mut told = false;
    // Who waits is known from the next renewal on.
    keeping.wake();
    loop {
        let changed = keeping.listen();
        let wanted = {
            let state = keeping.state();
            match (&state.status, state.followed) {
                (Status::Held, Some(followed)) if followed.at >= since => Some(followed.by),
                // If nobody else leads, the work leads again.
                (Status::Held | Status::Resigning | Status::Lost, _) => None,
                _ => Some(false),
            }
        };
        match wanted {
            Some(false) => return,
            Some(true) if !told => {
                link.tell(ClusterEventKind::Continued, &lead.name, Some(lead.token));
                told = true;
            }
            _ => {}
        }
        changed.await;
    }
}
