//! How an exchange goes on.
//!
//! Any caller who has nothing to read drives: it takes the work out, polls it once, and puts it back. The work's waker wakes every caller of the
//! flight, since nobody can know which of them will be polled again. So a caller that is alive but not polled holds up nobody, and when nobody
//! is polled, because all clients are slow, nothing is read from the inner service.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker, ready};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame};

use crate::buffer::Dropped;
use crate::error::{BoxError, Error};
use crate::exchange::{Due, DutyIs, Exchange, Head, Incoming, Request};
use crate::flight::{Duty, Meeting, Shared};
use crate::share::{self, Sharing};

/// What came of polling the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drive {
    /// There is something new.
    Changed,
    /// It wants to go on, after others had their turn.
    Yielded,
    /// It waits, or it is somebody else's turn.
    Idle,
}

/// The request, or the body of its response.
pub(crate) enum Work {
    Requesting(Request),
    Receiving(Incoming),
    /// Somebody is polling it.
    Busy,
    Done,
}

/// What came of polling it.
enum Received {
    Head(Response<Incoming>),
    Frame(Frame<Bytes>),
    End,
    Failure(BoxError),
}

impl Work {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        Poll::Ready(match self {
            Self::Requesting(request) => match ready!(request.as_mut().poll(cx)) {
                Ok(response) => Received::Head(response),
                Err(error) => Received::Failure(error),
            },
            Self::Receiving(body) => match ready!(body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => Received::Frame(frame),
                Some(Err(error)) => Received::Failure(error),
                None => Received::End,
            },
            Self::Busy | Self::Done => return Poll::Pending,
        })
    }
}

/// The work can go on. It does not own the exchange, which owns the work, which owns this.
pub(crate) struct Signal {
    runnable: AtomicBool,
    meeting: Arc<Meeting>,
}

impl Signal {
    pub(crate) fn new(meeting: &Arc<Meeting>) -> Self {
        Self { runnable: AtomicBool::new(true), meeting: Arc::clone(meeting) }
    }

    /// Whoever drives next finds that it can go on.
    pub(crate) fn set_runnable(&self) {
        self.runnable.store(true, Ordering::Release);
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Pairs with the swap in `begin`.
        self.set_runnable();
        self.meeting.tell();
    }
}

/// A caller that polls the work, which it took out, with the duty, if that was there.
pub(crate) struct Driving<'a> {
    exchange: &'a Arc<Exchange>,
    work: Work,
    duty: Option<Box<dyn Duty>>,
    ended: Option<Result<(), Error>>,
    parked: bool,
}

impl<'a> Driving<'a> {
    pub(crate) fn begin(exchange: &'a Arc<Exchange>) -> Option<Self> {
        if !exchange.signal.runnable.swap(false, Ordering::AcqRel) {
            return None;
        }
        let mut inner = exchange.lock();
        match inner.work {
            Work::Done => return None,
            Work::Busy => {
                // Under the lock, so that whoever polls it finds this when it puts the work back.
                exchange.signal.set_runnable();
                return None;
            }
            Work::Requesting(_) | Work::Receiving(_) => {}
        }
        let work = std::mem::replace(&mut inner.work, Work::Busy);
        let mut duty = None;
        inner.fetch(&mut duty);
        Some(Self { exchange, work, duty, ended: None, parked: false })
    }

    /// `true`: something changed.
    pub(crate) fn step(&mut self) -> bool {
        let waker = Waker::from(Arc::clone(&self.exchange.signal));
        let mut cx = Context::from_waker(&waker);
        if self.look(&mut cx) {
            return true;
        }
        let (work, duty) = (&mut self.work, &self.duty);
        let mut polled = None;
        let mut poll = || polled = Some(work.poll(&mut cx));
        match duty {
            Some(duty) => duty.within(&mut poll),
            None => poll(),
        }
        match polled {
            Some(Poll::Ready(Received::Head(response))) => self.accept(response),
            Some(Poll::Ready(Received::Frame(frame))) => self.push(frame),
            Some(Poll::Ready(Received::End)) => self.end(Ok(())),
            Some(Poll::Ready(Received::Failure(error))) => self.end(Err(error)),
            Some(Poll::Pending) | None => return false,
        }
        if matches!(&self.work, Work::Receiving(body) if body.is_end_stream()) {
            self.end(Ok(()));
        }
        // It was not told to wait.
        self.exchange.signal.set_runnable();
        true
    }

    /// If the flight was cancelled, or its time is over: what its duty is told, all are told.
    fn look(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(mut duty) = self.duty.take() else { return false };
        if duty.poll_ended(cx).is_pending() {
            self.duty = Some(duty);
            return false;
        }
        // First, so that newcomers need not wait for what the work does when it is dropped.
        let told = duty.complete(Err(Error::Panicked.into()));
        self.work = Work::Done;
        self.ended = Some(told);
        true
    }

    fn accept(&mut self, response: Response<Incoming>) {
        let (parts, body) = response.into_parts();
        let sharing = if self.exchange.alone { Sharing::WithEqual(Vec::new()) } else { share::sharing(&parts) };
        let total = body.size_hint().exact();
        self.work = Work::Receiving(body);
        let mut inner = self.exchange.lock();
        inner.total = total;
        match sharing {
            Sharing::WithEqual(names) => {
                inner.varies_by = names;
                inner.head = Head::Shared(Arc::new(parts));
            }
            Sharing::Alone => {
                inner.head = Head::ForOrigin(Some(parts));
                let _frames = inner.buffer.close();
                inner.fetch(&mut self.duty);
                if self.duty.is_none() {
                    inner.due = Some(Due::Release);
                }
                drop(inner);
                if let Some(duty) = self.duty.take() {
                    duty.release();
                }
            }
        }
    }

    fn push(&mut self, frame: Frame<Bytes>) {
        let mut inner = self.exchange.lock();
        let was_open = inner.buffer.is_open();
        let _frames: Dropped = inner.buffer.push(frame);
        let closed = was_open && !inner.buffer.is_open();
        if closed {
            inner.fetch(&mut self.duty);
            if self.duty.is_none() {
                inner.due = Some(Due::Forget);
            }
        }
        drop(inner);
        if let Some(duty) = self.duty.as_ref().filter(|_| closed) {
            duty.forget();
        }
    }

    /// The work is over.
    fn end(&mut self, result: Result<(), BoxError>) {
        self.work = Work::Done;
        let mut inner = self.exchange.lock();
        inner.fetch(&mut self.duty);
        let Some(duty) = self.duty.take() else {
            // To end the flight is left to whoever brings the duty, and finds here with what. One whose response is for one alone was released already.
            if !matches!(inner.head, Head::ForOrigin(_)) {
                inner.due = Some(Due::Complete);
            }
            inner.ended = Some(result.map_err(Error::service));
            return;
        };
        inner.ending = true;
        drop(inner);
        if self.exchange.alone && result.is_ok() {
            // It must not linger: nobody can ask for it.
            duty.forget();
        }
        // An error comes back as the one that all share.
        self.ended = Some(duty.complete(result.map(|()| Shared(Arc::clone(self.exchange)))));
    }

    /// `true`: it can go on already.
    pub(crate) fn park(mut self, changed: &mut bool) -> bool {
        let waker = Waker::from(Arc::clone(&self.exchange.signal));
        let mut inner = loop {
            let mut inner = self.exchange.lock();
            if inner.look {
                inner.fetch(&mut self.duty);
            }
            // Without a duty, whoever brings one looks.
            if !inner.look || self.duty.is_none() {
                break inner;
            }
            // Somebody came meanwhile, who waits for a flight that was ended.
            inner.look = false;
            drop(inner);
            *changed |= self.look(&mut Context::from_waker(&waker));
        };
        self.parked = true;
        inner.work = std::mem::replace(&mut self.work, Work::Done);
        if let Some(ended) = self.ended.take() {
            inner.ended = Some(ended);
        }
        let _unwanted = inner.unwanted();
        // Its holder left: somebody else takes over.
        let _deserted = inner.bring_back(self.duty.take());
        drop(inner);
        let runnable = self.exchange.signal.runnable.load(Ordering::Acquire);
        if *changed || runnable {
            self.exchange.meeting().tell();
        }
        runnable
    }
}

impl Drop for Driving<'_> {
    fn drop(&mut self) {
        if self.parked {
            return;
        }
        // The work panicked. Its duty, dropped while this unwinds, tells the others.
        let mut inner = self.exchange.lock();
        inner.work = Work::Done;
        // One that came meanwhile.
        let _other = std::mem::replace(&mut inner.duty, DutyIs::Away);
        inner.ended = Some(Err(Error::Panicked));
        drop(inner);
        self.exchange.meeting().tell();
    }
}
