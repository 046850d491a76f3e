//! One request to the inner service, and what was received of its response; [driven](crate::drive) by whichever caller is polled.
//!
//! Nothing foreign runs under the lock: works, bodies, frames and duties are taken out, and dropped, outside.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Wake;

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderName, Response};
use http_body::{Body, Frame};

use crate::buffer::{Budget, Buffer, Next};
use crate::drive::{Drive, Driving, Signal, Work};
use crate::error::{BoxError, Error};
use crate::flight::{Duty, Meeting, Shared};
use crate::share;

pub(crate) type Incoming = Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>;
pub(crate) type Request = Pin<Box<dyn Future<Output = Result<Response<Incoming>, BoxError>> + Send>>;

pub(crate) struct Exchange {
    meeting: Arc<Meeting>,
    pub(crate) signal: Arc<Signal>,
    inner: Mutex<Inner>,
    /// The headers of the request that was sent.
    asked: HeaderMap,
    /// For one caller, whatever the response says.
    pub(crate) alone: bool,
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

/// What came of a duty that was brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Installed {
    Held,
    /// The response is not to be shared: whoever brought it goes alone, too.
    Released,
}

impl Exchange {
    /// Begins one, for the caller whose request it is and who is its first reader. `alone`: nobody else will come.
    pub(crate) fn new(
        meeting: &Arc<Meeting>,
        request: Request,
        duty: Box<dyn Duty>,
        asked: HeaderMap,
        budget: &Arc<Budget>,
        alone: bool,
    ) -> (Arc<Self>, Reader) {
        let mut buffer = Buffer::new(Arc::clone(budget), true);
        buffer.join();
        if alone {
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
            look: false,
            ending: false,
            ended: None,
        };
        let signal = Signal::new(meeting);
        let exchange =
            Self { meeting: Arc::clone(meeting), signal: Arc::new(signal), inner: Mutex::new(inner), asked, alone };
        (Arc::new(exchange), Reader { id: 0, next: 0 })
    }

    pub(crate) fn meeting(&self) -> &Arc<Meeting> {
        &self.meeting
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
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

    /// Whether it is over, or about to be.
    pub(crate) fn has_ended(&self) -> bool {
        let inner = self.lock();
        inner.ended.is_some() || inner.ending
    }

    /// Whether it came to nothing, or broke off: not for those who have nothing of it yet.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self.lock().ended, Some(Err(_)))
    }

    /// Whether whoever leads the flight has something to do here: to go on with it, or to end it.
    pub(crate) fn needs_a_leader(&self) -> bool {
        let inner = self.lock();
        (inner.ended.is_none() && !inner.ending) || inner.due.is_some()
    }

    pub(crate) fn leave(&self, reader: &Reader) {
        let mut inner = self.lock();
        let _frames = inner.buffer.leave(reader.next);
        if reader.id == 0 {
            inner.origin = false;
        }
        let _work = inner.unwanted();
        let duty = match &inner.duty {
            DutyIs::Here(_, holder) if *holder == reader.id => std::mem::replace(&mut inner.duty, DutyIs::Away),
            DutyIs::Driving(holder) if *holder == reader.id => std::mem::replace(&mut inner.duty, DutyIs::Deserted),
            _ => DutyIs::Away,
        };
        // Before what was taken out is dropped.
        drop(inner);
        if let DutyIs::Here(duty, _) = duty {
            duty.abandon();
        }
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
        let look = inner.look;
        drop(inner);
        // A flight has one leader, so this is none.
        drop(before);
        // There may be news of the flight: that it was ended.
        self.signal.wake_by_ref();
        if look {
            self.look_after();
        }
        Installed::Held
    }

    pub(crate) fn head(&self, reader: &Reader) -> Seen {
        let mut inner = self.lock();
        if let Some(Err(error)) = &inner.ended {
            return Seen::Failed(error.clone());
        }
        match &mut inner.head {
            Head::Shared(parts) => Seen::Parts(Arc::clone(parts)),
            Head::ForOrigin(parts) if reader.id == 0 => parts.take().map_or(Seen::NotThis, Seen::Own),
            Head::ForOrigin(_) => Seen::NotThis,
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
        // Not only that it can go on: whoever waits here may not be told of that.
        self.lock().look = true;
        self.signal.set_runnable();
        self.drive() == Drive::Changed
    }

    /// Polls the work once, if it can go on and nobody else does.
    pub(crate) fn drive(self: &Arc<Self>) -> Drive {
        let Some(mut driving) = Driving::begin(self) else { return Drive::Idle };
        let mut changed = driving.step();
        let runnable = driving.park(&mut changed);
        match changed {
            true => Drive::Changed,
            false if runnable => Drive::Yielded,
            false => Drive::Idle,
        }
    }
}

/// What the callers of one exchange share.
pub(crate) struct Inner {
    pub(crate) work: Work,
    pub(crate) duty: DutyIs,
    /// What was to be done with the duty when nobody had it.
    pub(crate) due: Option<Due>,
    pub(crate) readers: u64,
    /// The one whose request was sent is aboard.
    pub(crate) origin: bool,
    pub(crate) head: Head,
    /// What else the response said of who may have it.
    pub(crate) varies_by: Vec<HeaderName>,
    /// The body's length, if it said so.
    pub(crate) total: Option<u64>,
    pub(crate) buffer: Buffer,
    /// Whoever drives is to look once more whether the flight was ended.
    pub(crate) look: bool,
    /// The flight is being told how this ended, and may be led by somebody else from then on, who begins another.
    pub(crate) ending: bool,
    pub(crate) ended: Option<Result<(), Error>>,
}

/// Where the leader's duty is.
pub(crate) enum DutyIs {
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
pub(crate) enum Due {
    Forget,
    Release,
    Complete,
}

pub(crate) enum Head {
    Awaited,
    Shared(Arc<Parts>),
    /// For the origin alone, until it took it.
    ForOrigin(Option<Parts>),
}

impl Inner {
    /// The work, if nobody is left who may have what comes of it.
    pub(crate) fn unwanted(&mut self) -> Work {
        if matches!(self.head, Head::ForOrigin(_)) && !self.origin && !matches!(self.work, Work::Busy) {
            return std::mem::replace(&mut self.work, Work::Done);
        }
        Work::Done
    }

    /// A driver needs the duty, if it is here; it may have come meanwhile.
    pub(crate) fn fetch(&mut self, duty: &mut Option<Box<dyn Duty>>) {
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
    pub(crate) fn bring_back(&mut self, duty: Option<Box<dyn Duty>>) -> Option<Box<dyn Duty>> {
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
