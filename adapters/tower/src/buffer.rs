//! What was received of a body and is still wanted, within bounds.
//!
//! Frames are numbered from the first one. Each knows how many readers are to have it next, so that a reader's step, its coming and its leaving
//! cost the same whatever their number.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

/// What becomes of a flight that would have to keep more than [`keep`](crate::CoalesceLayer::keep), because a reader lags, or for newcomers.
///
/// ```
/// # futures_lite::future::block_on(async {
/// # use std::convert::Infallible;
/// use bytes::Bytes;
/// use coflight::tower::{Beyond, CoalesceLayer, Error};
/// use http_body_util::{BodyExt, StreamBody};
/// # use futures_util::stream;
/// # use http::{Request, Response};
/// # use http_body::Frame;
/// # use tower::{ServiceBuilder, ServiceExt, service_fn};
/// # let get = |uri: &str| Request::get(uri).body(String::new()).unwrap();
///
/// let layer = CoalesceLayer::default().keep(1000).beyond(Beyond::CutOff);
/// // A service whose responses come in four parts of 1000 bytes.
/// # let part = || Ok::<_, Infallible>(Frame::data(Bytes::from(vec![0; 1000])));
/// # let pages = ServiceBuilder::new().layer(layer).service(service_fn(move |_: Request<String>| async move {
/// #     Ok::<_, Infallible>(Response::new(StreamBody::new(stream::iter([part(), part(), part(), part()]))))
/// # }));
/// let fast = pages.clone().oneshot(get("/report")).await?.into_body();
/// let slow = pages.clone().oneshot(get("/report")).await?.into_body();
/// assert_eq!(fast.collect().await?.to_bytes().len(), 4000);
/// assert!(matches!(slow.collect().await, Err(Error::Lagged)));
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Beyond {
    /// The flight closes to newcomers. What those aboard still need is kept as long as the whole service keeps no more than
    /// [`keep_in_all`](crate::CoalesceLayer::keep_in_all); only then are its slowest cut off, with [`Error::Lagged`](crate::Error::Lagged).
    #[default]
    Close,
    /// It closes to newcomers, and readers who lag further than that are cut off at once.
    CutOff,
}

/// What one service may keep, and keeps.
#[derive(Debug)]
pub(crate) struct Budget {
    pub(crate) flight: usize,
    pub(crate) service: usize,
    pub(crate) beyond: Beyond,
    used: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(flight: usize, service: usize, beyond: Beyond) -> Self {
        Self { flight, service, beyond, used: AtomicUsize::new(0) }
    }

    /// The same, of which nothing is kept.
    pub(crate) fn unused(&self) -> Self {
        Self::new(self.flight, self.service, self.beyond)
    }

    /// Bytes kept by all flights now.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// `must`: also if there is no room.
    fn take(&self, cost: usize, must: bool) -> bool {
        let take = |used: usize| Some(used.saturating_add(cost)).filter(|&sum| must || sum <= self.service);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    fn give_back(&self, cost: usize) {
        self.used.fetch_sub(cost, Ordering::Relaxed);
    }
}

/// What a frame costs beside its bytes, so that many small ones are not free.
const OVERHEAD: usize = 64;

/// One frame, which can be given to many.
#[derive(Clone)]
enum Piece {
    Data(Bytes),
    Trailers(Arc<HeaderMap>),
}

impl Piece {
    fn of(frame: Frame<Bytes>) -> Option<Self> {
        match frame.into_data() {
            Ok(data) => Some(Self::Data(data)),
            Err(frame) => frame.into_trailers().ok().map(|trailers| Self::Trailers(Arc::new(trailers))),
        }
    }

    fn frame(self) -> Frame<Bytes> {
        match self {
            Self::Data(data) => Frame::data(data),
            Self::Trailers(trailers) => Frame::trailers(Arc::unwrap_or_clone(trailers)),
        }
    }

    fn cost(&self) -> usize {
        OVERHEAD
            + match self {
                Self::Data(data) => data.len(),
                Self::Trailers(trailers) => {
                    trailers.iter().map(|(name, value)| name.as_str().len() + value.len() + OVERHEAD).sum()
                }
            }
    }
}

struct Kept {
    piece: Piece,
    /// Readers who are to have this next.
    next_for: usize,
}

/// Frames that left the buffer, to be dropped outside of all locks: what lies behind them may run somebody's code then.
#[must_use = "to be dropped outside of all locks"]
#[derive(Default)]
pub(crate) struct Dropped(Vec<Kept>);

/// What a reader finds.
pub(crate) enum Next {
    Frame(Frame<Bytes>),
    /// It has all there is so far.
    Nothing,
    /// What it needs is gone.
    Gone,
}

pub(crate) struct Buffer {
    budget: Arc<Budget>,
    kept: VecDeque<Kept>,
    /// The number of the first one in `kept`.
    first: u64,
    /// What `kept` costs.
    cost: usize,
    /// Readers who have all there is.
    caught_up: usize,
    /// Everything is kept, for newcomers.
    open: bool,
}

impl Buffer {
    /// `open`: newcomers may come.
    pub(crate) fn new(budget: Arc<Budget>, open: bool) -> Self {
        Self { budget, kept: VecDeque::new(), first: 0, cost: 0, caught_up: 0, open }
    }

    /// Whether a newcomer would get everything.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// A newcomer, to start with the first frame; `false`: it is too late.
    pub(crate) fn join(&mut self) -> bool {
        if !self.open {
            return false;
        }
        self.arrive(0);
        true
    }

    /// Whether a reader has all there is.
    pub(crate) fn is_at_end(&self, next: u64) -> bool {
        next >= self.end()
    }

    fn end(&self) -> u64 {
        self.first + self.kept.len() as u64
    }

    fn kept(&mut self, number: u64) -> Option<&mut Kept> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.kept.get_mut(index)
    }

    fn arrive(&mut self, number: u64) {
        match self.kept(number) {
            Some(kept) => kept.next_for += 1,
            None => self.caught_up += 1,
        }
    }

    /// A reader leaves who was to have `next`.
    pub(crate) fn leave(&mut self, next: u64) -> Dropped {
        if self.is_at_end(next) {
            self.caught_up -= 1;
        } else if let Some(kept) = self.kept(next) {
            kept.next_for -= 1;
        }
        self.trim()
    }

    /// The frame `next`, which is counted up.
    pub(crate) fn read(&mut self, next: &mut u64) -> (Next, Dropped) {
        if *next < self.first {
            return (Next::Gone, Dropped::default());
        }
        let Some(kept) = self.kept(*next) else {
            return (Next::Nothing, Dropped::default());
        };
        kept.next_for -= 1;
        let piece = kept.piece.clone();
        *next += 1;
        self.arrive(*next);
        let dropped = self.trim();
        (Next::Frame(piece.frame()), dropped)
    }

    /// No newcomers any more: what all have had goes.
    pub(crate) fn close(&mut self) -> Dropped {
        self.open = false;
        self.trim()
    }

    /// One more frame. There is always room for one.
    pub(crate) fn push(&mut self, frame: Frame<Bytes>) -> Dropped {
        let mut dropped = Dropped::default();
        let Some(piece) = Piece::of(frame) else { return dropped };
        let cost = piece.cost();
        let mut taken = self.cost + cost <= self.budget.flight && self.budget.take(cost, false);
        if !taken {
            dropped = self.close();
            let lagging_may_stay = |cost: usize| self.budget.beyond == Beyond::Close || cost <= self.budget.flight;
            taken = lagging_may_stay(self.cost + cost) && self.budget.take(cost, false);
            while !taken && !self.kept.is_empty() {
                self.drop_first(&mut dropped);
                let fits = self.budget.beyond == Beyond::Close || self.cost + cost <= self.budget.flight;
                taken = fits && self.budget.take(cost, false);
            }
        }
        if !taken {
            self.budget.take(cost, true);
        }
        self.cost += cost;
        self.kept.push_back(Kept { piece, next_for: std::mem::take(&mut self.caught_up) });
        // Those who would have had it may be gone.
        dropped.0.extend(self.trim().0);
        dropped
    }

    /// Lets go of what nobody needs.
    fn trim(&mut self) -> Dropped {
        let mut dropped = Dropped::default();
        while !self.open && self.kept.front().is_some_and(|kept| kept.next_for == 0) {
            self.drop_first(&mut dropped);
        }
        dropped
    }

    fn drop_first(&mut self, dropped: &mut Dropped) {
        if let Some(kept) = self.kept.pop_front() {
            let cost = kept.piece.cost();
            self.cost -= cost;
            self.budget.give_back(cost);
            self.first += 1;
            dropped.0.push(kept);
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.budget.give_back(self.cost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(flight: usize, service: usize, beyond: Beyond) -> (Buffer, Arc<Budget>) {
        let budget = Arc::new(Budget::new(flight, service, beyond));
        (Buffer::new(Arc::clone(&budget), true), budget)
    }

    /// A frame that costs so much.
    fn frame(cost: usize) -> Frame<Bytes> {
        Frame::data(vec![0; cost - OVERHEAD].into())
    }

    fn push(buffer: &mut Buffer, cost: usize) -> usize {
        buffer.push(frame(cost)).0.len()
    }

    fn reads(buffer: &mut Buffer, next: &mut u64) -> &'static str {
        match buffer.read(next).0 {
            Next::Frame(_) => "frame",
            Next::Nothing => "nothing",
            Next::Gone => "gone",
        }
    }

    #[test]
    fn what_it_costs_is_counted_to_the_byte() {
        let (mut buffer, budget) = buffer(1000, 1000, Beyond::Close);
        assert!(buffer.join());
        push(&mut buffer, 600);
        assert_eq!((budget.used(), buffer.cost), (600, 600));
        push(&mut buffer, 400);
        assert!(buffer.is_open() && budget.used() == 1000);
        let mut trailers = HeaderMap::new();
        trailers.insert("ab", "cde".parse().unwrap());
        let cost = Piece::of(Frame::trailers(trailers.clone())).unwrap().cost();
        assert_eq!(cost, OVERHEAD + 5 + OVERHEAD);
        drop(buffer);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn one_byte_too_much_closes_it() {
        for (flight, service) in [(1000, 5000), (5000, 1000)] {
            let (mut buffer, budget) = buffer(flight, service, Beyond::Close);
            let mut next = 0;
            assert!(buffer.join());
            push(&mut buffer, 1000);
            assert_eq!(reads(&mut buffer, &mut next), "frame");
            assert!(buffer.is_open() && budget.used() == 1000);
            // What all have read goes.
            assert_eq!(push(&mut buffer, 64), 1);
            assert!(!buffer.is_open() && !buffer.join() && budget.used() == 64);
            assert_eq!((reads(&mut buffer, &mut next), reads(&mut buffer, &mut next)), ("frame", "nothing"));
            assert_eq!(budget.used(), 0);
        }
    }

    #[test]
    fn whoever_lags_is_kept_for_or_cut_off_as_chosen() {
        for (beyond, stays) in [(Beyond::Close, 4), (Beyond::CutOff, 2)] {
            let (mut buffer, budget) = buffer(200, 400, beyond);
            let (mut fast, mut slow) = (0, 0);
            assert!(buffer.join() && buffer.join());
            let mut most = 0;
            for _ in 0..10 {
                push(&mut buffer, 100);
                most = most.max(budget.used());
                assert_eq!(reads(&mut buffer, &mut fast), "frame");
            }
            assert_eq!(most, 100 * stays, "{beyond:?}");
            assert_eq!(reads(&mut buffer, &mut slow), "gone");
            // It is not counted any more, so nothing is kept, and nothing changes when it leaves.
            assert_eq!((budget.used(), buffer.caught_up), (0, 1));
            drop(buffer.leave(slow));
            assert_eq!(buffer.caught_up, 1);
            assert_eq!(reads(&mut buffer, &mut fast), "nothing");
        }
    }

    #[test]
    fn a_frame_is_kept_in_any_case() {
        let (mut buffer, budget) = buffer(100, 100, Beyond::CutOff);
        let mut next = 0;
        assert!(buffer.join());
        push(&mut buffer, 1000);
        assert_eq!((budget.used(), reads(&mut buffer, &mut next)), (1000, "frame"));
        assert_eq!(budget.used(), 0);
        assert_eq!((buffer.is_at_end(next), buffer.is_at_end(0)), (true, false));
    }

    #[test]
    fn who_leaves_is_not_waited_for() {
        let (mut buffer, budget) = buffer(1000, 1000, Beyond::Close);
        let (mut stays, mut leaves) = (0, 0);
        assert!(buffer.join() && buffer.join() && buffer.join());
        // One who has everything, one in the middle.
        drop(buffer.leave(0));
        push(&mut buffer, 100);
        push(&mut buffer, 100);
        drop(buffer.close());
        assert_eq!((reads(&mut buffer, &mut stays), reads(&mut buffer, &mut leaves)), ("frame", "frame"));
        assert_eq!(budget.used(), 100);
        assert_eq!(reads(&mut buffer, &mut stays), "frame");
        assert_eq!(budget.used(), 100);
        assert_eq!(buffer.leave(leaves).0.len(), 1);
        assert_eq!((budget.used(), buffer.caught_up), (0, 1));
        drop(buffer.leave(stays));
        assert_eq!(buffer.caught_up, 0);
    }
}
