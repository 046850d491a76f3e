//! One request to the inner service, and what was received of its response; driven by whichever caller is polled.
//!
//! Any caller who has nothing to read drives: it takes the work out, polls it once, and puts it back. The work's waker wakes every caller of the
//! flight, since nobody can know which of them will be polled again. So a caller that is alive but not polled holds up nobody, and when nobody
//! is polled, because all clients are slow, nothing is read from the inner service.
//!
//! Nothing foreign runs under the lock: works, bodies, frames and duties are taken out, and dropped, outside.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker, ready};

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderName, Response};
use http_body::{Body, Frame};

use crate::buffer::{Budget, Buffer, Dropped, Next};
use crate::error::{BoxError, Error};
use crate::flight::{Duty, Place, Shared};
use crate::share::{self, Sharing};

pub(crate) type Incoming = Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>;
pub(crate) type Request = Pin<Box<dyn Future<Output = Result<Response<Incoming>, BoxError>> + Send>>;

pub(crate) struct Exchange {
    place: Arc<Place>,
    signal: Arc<Signal>,
    inner: Mutex<Inner>,
    /// The headers of the request that was sent.
    asked: HeaderMap,
    /// For one caller, whatever the response says.
    solo: bool,
}

struct Inner {
    work: Work,
    duty: DutyIs,
    /// What was to be done with the duty when nobody had it.
    due: Option<Due>,
    readers: u64,
    /// The one whose request was sent is aboard.
    origin: bool,
    head: Head,
    /// What else the response said of who may have it.
    varies_by: Vec<HeaderName>,
    /// The body's length, if it said so.
    total: Option<u64>,
    buffer: Buffer,
    ended: Option<Result<(), Error>>,
}

enum Work {
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

/// Where the leader's duty is.
enum DutyIs {
    /// With nobody here: its holder left, and no other came yet; or it is fulfilled.
    Away,
    /// Here, held by this reader.
    Here(Box<dyn Duty>, u64),
    /// With whoever drives.
    Driving(u64),
    /// The same, but its holder left: to be dropped as soon as it comes back.
    Deserted,
}

#[derive(Clone, Copy)]
enum Due {
    Forget,
    Release,
    Complete,
}

enum Head {
    Awaited,
    Shared(Arc<Parts>),
    /// For the origin, until it took it.
    Alone(Option<Parts>),
}

/// A caller's place among the readers.
pub(crate) struct Reader {
    id: u64,
    next: u64,
}

/// What a caller sees of the response's head.
pub(crate) enum Seen {
    Nothing,
    Parts(Arc<Parts>),
    Own(Parts),
    /// It is for somebody else alone.
    NotThis,
    Failed(Error),
}

/// What a reader finds.
pub(crate) enum Step {
    Frame(Frame<Bytes>),
    Nothing,
    End,
    Failed(Error),
}

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

/// What came of a duty that was brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Installed {
    Held,
    /// The response is not to be shared: whoever brought it goes alone, too.
    Released,
}

/// The work can go on. It does not own the exchange, which owns the work, which owns this.
struct Signal {
    runnable: AtomicBool,
    place: Arc<Place>,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Pairs with the swap in `begin`.
        self.runnable.store(true, Ordering::Release);
        self.place.tell();
    }
}

impl Exchange {
    /// Begins one, for the caller whose request it is and who is its first reader. `solo`: nobody else will come.
    pub(crate) fn new(
        place: &Arc<Place>,
        request: Request,
        duty: Box<dyn Duty>,
        asked: HeaderMap,
        budget: &Arc<Budget>,
        solo: bool,
    ) -> (Arc<Self>, Reader) {
        let mut buffer = Buffer::new(Arc::clone(budget), true);
        buffer.join();
        if solo {
            let _nothing_yet = buffer.close();
        }
        let inner = Inner {
            work: Work::Requesting(request),
            duty: DutyIs::Here(duty, 0),
            due: None,
            readers: 1,
            origin: true,
            head: Head::Awaited,
            varies_by: Vec::new(),
            total: None,
            buffer,
            ended: None,
        };
        let signal = Signal { runnable: AtomicBool::new(true), place: Arc::clone(place) };
        let exchange =
            Self { place: Arc::clone(place), signal: Arc::new(signal), inner: Mutex::new(inner), asked, solo };
        (Arc::new(exchange), Reader { id: 0, next: 0 })
    }

    pub(crate) fn place(&self) -> &Arc<Place> {
        &self.place
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more reader, if it can have everything.
    pub(crate) fn join(&self) -> Option<Reader> {
        let mut inner = self.lock();
        if !inner.buffer.join() {
            return None;
        }
        let id = inner.readers;
        inner.readers += 1;
        Some(Reader { id, next: 0 })
    }

    /// Whether it is over.
    pub(crate) fn has_ended(&self) -> bool {
        self.lock().ended.is_some()
    }

    /// Whether it came to nothing, or broke off: not for those who have nothing of it yet.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self.lock().ended, Some(Err(_)))
    }

    /// Whether whoever leads the flight has something to do here: to go on with it, or to end it.
    pub(crate) fn needs_a_leader(&self) -> bool {
        let inner = self.lock();
        inner.ended.is_none() || inner.due.is_some()
    }

    pub(crate) fn leave(&self, reader: &Reader) {
        let mut inner = self.lock();
        let _frames = inner.buffer.leave(reader.next);
        if reader.id == 0 {
            inner.origin = false;
        }
        let _work = inner.unwanted();
        let _duty = match &inner.duty {
            DutyIs::Here(_, holder) if *holder == reader.id => std::mem::replace(&mut inner.duty, DutyIs::Away),
            DutyIs::Driving(holder) if *holder == reader.id => std::mem::replace(&mut inner.duty, DutyIs::Deserted),
            _ => DutyIs::Away,
        };
        // Before what was taken out is dropped.
        drop(inner);
    }

    /// A reader that leads the flight now.
    pub(crate) fn install(self: &Arc<Self>, duty: Box<dyn Duty>, reader: &Reader) -> Installed {
        let mut inner = loop {
            let mut inner = self.lock();
            match inner.due.take() {
                None => break inner,
                Some(Due::Forget) => {
                    drop(inner);
                    duty.forget();
                }
                Some(Due::Release) => {
                    drop(inner);
                    duty.release();
                    return Installed::Released;
                }
                Some(Due::Complete) => {
                    let result = match &inner.ended {
                        Some(Err(error)) => Err(error.clone().into()),
                        _ => Ok(Shared(Arc::clone(self))),
                    };
                    let whole = inner.buffer.is_open();
                    drop(inner);
                    if !whole {
                        // It must not linger.
                        duty.forget();
                    }
                    // Everyone here reads what there is, whatever the flight is told.
                    let _ = duty.complete(result);
                    return Installed::Held;
                }
            }
        };
        let before = std::mem::replace(&mut inner.duty, DutyIs::Here(duty, reader.id));
        drop(inner);
        // A flight has one leader, so this is none.
        drop(before);
        // There may be news of the flight: that it was ended.
        self.signal.wake_by_ref();
        Installed::Held
    }

    pub(crate) fn head(&self, reader: &Reader) -> Seen {
        let mut inner = self.lock();
        if let Some(Err(error)) = &inner.ended {
            return Seen::Failed(error.clone());
        }
        match &mut inner.head {
            Head::Shared(parts) => Seen::Parts(Arc::clone(parts)),
            Head::Alone(parts) if reader.id == 0 => parts.take().map_or(Seen::NotThis, Seen::Own),
            Head::Alone(_) => Seen::NotThis,
            Head::Awaited => Seen::Nothing,
        }
    }

    /// Whether a caller with these headers may have the response; if not, the names of those that it depends on.
    pub(crate) fn may_have(&self, headers: &HeaderMap) -> Result<(), Vec<HeaderName>> {
        let varies_by = self.lock().varies_by.clone();
        if share::equal(&varies_by, &self.asked, headers) { Ok(()) } else { Err(varies_by) }
    }

    /// The body's length, if it said so.
    pub(crate) fn total(&self) -> Option<u64> {
        self.lock().total
    }

    pub(crate) fn next(&self, reader: &mut Reader) -> Step {
        let mut inner = self.lock();
        let (next, _frames) = inner.buffer.read(&mut reader.next);
        let step = match next {
            Next::Frame(frame) => Step::Frame(frame),
            Next::Gone => Step::Failed(Error::Lagged),
            Next::Nothing => match &inner.ended {
                None => Step::Nothing,
                Some(Ok(())) => Step::End,
                Some(Err(error)) => Step::Failed(error.clone()),
            },
        };
        drop(inner);
        step
    }

    /// Whether a reader has everything.
    pub(crate) fn is_read(&self, reader: &Reader) -> bool {
        let inner = self.lock();
        matches!(inner.ended, Some(Ok(()))) && inner.buffer.is_at_end(reader.next)
    }

    /// Somebody has reason to believe that the flight was ended: who drives is to look. `true`: something changed.
    pub(crate) fn look_after(self: &Arc<Self>) -> bool {
        self.signal.runnable.store(true, Ordering::Release);
        self.drive() == Drive::Changed
    }

    /// Polls the work once, if it can go on and nobody else does.
    pub(crate) fn drive(self: &Arc<Self>) -> Drive {
        let Some(mut driving) = Driving::begin(self) else { return Drive::Idle };
        let changed = driving.step();
        let runnable = driving.park(changed);
        match changed {
            true => Drive::Changed,
            false if runnable => Drive::Yielded,
            false => Drive::Idle,
        }
    }
}

impl Inner {
    /// The work, if nobody is left who may have what comes of it.
    fn unwanted(&mut self) -> Work {
        if matches!(self.head, Head::Alone(_)) && !self.origin && !matches!(self.work, Work::Busy) {
            return std::mem::replace(&mut self.work, Work::Done);
        }
        Work::Done
    }

    /// A driver needs the duty, if it is here; it may have come meanwhile.
    fn fetch(&mut self, duty: &mut Option<Box<dyn Duty>>) {
        if duty.is_some() {
            return;
        }
        match std::mem::replace(&mut self.duty, DutyIs::Away) {
            DutyIs::Here(here, holder) => {
                *duty = Some(here);
                self.duty = DutyIs::Driving(holder);
            }
            other => self.duty = other,
        }
    }

    /// What the driver has left of the duty comes back, or is to be dropped.
    fn bring_back(&mut self, duty: Option<Box<dyn Duty>>) -> Option<Box<dyn Duty>> {
        match (&self.duty, duty) {
            (DutyIs::Driving(holder), Some(duty)) => {
                self.duty = DutyIs::Here(duty, *holder);
                None
            }
            (DutyIs::Driving(_) | DutyIs::Deserted, duty) => {
                self.duty = DutyIs::Away;
                duty
            }
            (_, duty) => duty,
        }
    }
}

/// A caller that polls the work, which it took out, with the duty, if that was there.
struct Driving<'a> {
    exchange: &'a Arc<Exchange>,
    work: Work,
    duty: Option<Box<dyn Duty>>,
    ended: Option<Result<(), Error>>,
    parked: bool,
}

impl<'a> Driving<'a> {
    fn begin(exchange: &'a Arc<Exchange>) -> Option<Self> {
        if !exchange.signal.runnable.swap(false, Ordering::AcqRel) {
            return None;
        }
        let mut inner = exchange.lock();
        match inner.work {
            Work::Done => return None,
            Work::Busy => {
                // Under the lock, so that whoever polls it finds this when it puts the work back.
                exchange.signal.runnable.store(true, Ordering::Release);
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
    fn step(&mut self) -> bool {
        let waker = Waker::from(Arc::clone(&self.exchange.signal));
        let mut cx = Context::from_waker(&waker);
        if self.duty.as_mut().is_some_and(|duty| duty.poll_ended(&mut cx).is_ready()) {
            self.end_as_told();
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
        self.exchange.signal.runnable.store(true, Ordering::Release);
        true
    }

    /// The flight was cancelled, or its time is over: what its duty is told, all are told.
    fn end_as_told(&mut self) {
        let Some(duty) = self.duty.take() else { return };
        // First, so that newcomers need not wait for what the work does when it is dropped.
        let told = duty.complete(Err(Error::Panicked.into()));
        self.work = Work::Done;
        self.ended = Some(told);
    }

    fn accept(&mut self, response: Response<Incoming>) {
        let (parts, body) = response.into_parts();
        let sharing = if self.exchange.solo { Sharing::WithEqual(Vec::new()) } else { share::sharing(&parts) };
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
                inner.head = Head::Alone(Some(parts));
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
            if !matches!(inner.head, Head::Alone(_)) {
                inner.due = Some(Due::Complete);
            }
            inner.ended = Some(result.map_err(Error::service));
            return;
        };
        drop(inner);
        if self.exchange.solo && result.is_ok() {
            // It must not linger: nobody can ask for it.
            duty.forget();
        }
        // An error comes back as the one that all share.
        self.ended = Some(duty.complete(result.map(|()| Shared(Arc::clone(self.exchange)))));
    }

    /// `true`: it can go on already.
    fn park(mut self, changed: bool) -> bool {
        self.parked = true;
        let mut inner = self.exchange.lock();
        inner.work = std::mem::replace(&mut self.work, Work::Done);
        if let Some(ended) = self.ended.take() {
            inner.ended = Some(ended);
        }
        let _unwanted = inner.unwanted();
        // Its holder left: somebody else takes over.
        let _deserted = inner.bring_back(self.duty.take());
        drop(inner);
        let runnable = self.exchange.signal.runnable.load(Ordering::Acquire);
        if changed || runnable {
            self.exchange.place.tell();
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
        self.exchange.place.tell();
    }
}
