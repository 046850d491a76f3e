//! One caller aboard a flight: its ticket in the group, its duty if it leads, its place among the readers of the exchange.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use coflight_core::Role;
use event_listener::EventListener;
use http::HeaderMap;
use http::response::Parts;
use http_body::Frame;

use crate::buffer::Budget;
use crate::drive::Drive;
use crate::error::Error;
use crate::exchange::{self, Exchange, Installed, Reader, Request, Step};
use crate::flight::{Between, Duty, Meeting, Ticket, Tickets, Told};
use crate::key::HttpKey;
use crate::service::Part;

/// How often a caller asks again who found that it came too late for a body, or that a response is for other headers.
const TRIES: u32 = 8;

/// A caller's own request, not sent yet.
pub(crate) type Send = Box<dyn FnOnce() -> Request + std::marker::Send>;

pub(crate) struct Seat {
    tickets: Tickets,
    budget: Arc<Budget>,
    key: HttpKey,
    headers: HeaderMap,
    send: Option<Send>,
    between: Arc<Between>,
    ticket: Option<Ticket>,
    aboard: Option<Aboard>,
    listener: Option<EventListener>,
    part: Part,
    /// Nobody else is to have what it gets.
    alone: bool,
    tries: u32,
}

struct Aboard {
    exchange: Arc<Exchange>,
    reader: Reader,
}

impl Seat {
    pub(crate) fn new(tickets: Tickets, budget: Arc<Budget>, key: HttpKey, headers: HeaderMap, send: Send) -> Self {
        let between = Arc::<Between>::default();
        let ticket = Some(tickets(key.clone(), false, Arc::clone(&between)));
        Self {
            tickets,
            budget,
            key,
            headers,
            send: Some(send),
            between,
            ticket,
            aboard: None,
            listener: None,
            part: Part::Joined,
            alone: false,
            tries: 0,
        }
    }

    /// How this caller is served.
    pub(crate) fn part(&self) -> Part {
        self.part
    }

    /// The length of the body, if the response said so.
    pub(crate) fn total(&self) -> Option<u64> {
        self.aboard.as_ref().and_then(|aboard| aboard.exchange.total())
    }

    /// Whether there is no more of the body to read.
    pub(crate) fn is_read(&self) -> bool {
        self.aboard.as_ref().is_none_or(|aboard| aboard.exchange.is_read(&aboard.reader))
    }

    /// Goes on until there is a response for this caller.
    pub(crate) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Parts, Error>> {
        loop {
            if let Some(ticket) = &mut self.ticket {
                if let Poll::Ready(told) = ticket.as_mut().poll(cx) {
                    self.ticket = None;
                    match told {
                        Ok(Told::Lead { duty, role, meeting }) => self.lead(duty, role, &meeting)?,
                        Ok(Told::Landed(outcome)) => self.landed(&outcome?.0)?,
                        Err(error) => return Poll::Ready(Err(self.told(error))),
                    }
                    continue;
                }
            }
            if !self.find() {
                self.ask_again()?;
                continue;
            }
            let Some(Aboard { exchange, reader }) = &self.aboard else {
                ready!(self.poll_news(Drive::Idle, cx));
                continue;
            };
            match exchange.head(reader) {
                // No further than to the head: what of the body is read is for those who read it to say.
                exchange::Seen::Nothing => {
                    let drove = exchange.drive();
                    if drove != Drive::Changed {
                        ready!(self.poll_news(drove, cx));
                    }
                }
                exchange::Seen::Parts(parts) => match exchange.may_have(&self.headers) {
                    Ok(()) => {
                        self.between.got_head();
                        return Poll::Ready(Ok(Arc::unwrap_or_clone(parts)));
                    }
                    Err(names) => {
                        self.key = self.key.variant(&names, &self.headers);
                        self.ask_again()?;
                    }
                },
                exchange::Seen::Own(parts) => return Poll::Ready(Ok(parts)),
                // With a ticket, it is told what to do.
                exchange::Seen::NotThis if self.ticket.is_none() => self.go_alone()?,
                exchange::Seen::Failed(error) if self.ticket.is_none() => return Poll::Ready(Err(error)),
                _ => ready!(self.poll_news(Drive::Idle, cx)),
            }
        }
    }

    /// The next frame of the body. After the end, and after an error, there are no more.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        loop {
            let Some(Aboard { exchange, reader }) = &mut self.aboard else { return Poll::Ready(None) };
            match exchange.next(reader) {
                Step::Frame(frame) => return Poll::Ready(Some(Ok(frame))),
                Step::End => {
                    self.leave();
                    return Poll::Ready(None);
                }
                Step::Failed(error) => {
                    self.leave();
                    return Poll::Ready(Some(Err(error)));
                }
                Step::Nothing => {}
            }
            if let Some(ticket) = &mut self.ticket {
                if let Poll::Ready(told) = ticket.as_mut().poll(cx) {
                    self.ticket = None;
                    match told {
                        Ok(Told::Lead { duty, meeting, .. }) => self.lead_on(duty, &meeting),
                        // What is still to be read is read regardless.
                        Ok(Told::Landed(_)) => {}
                        Err(error) => return Poll::Ready(Some(Err(self.told(error)))),
                    }
                    continue;
                }
            }
            let drove = exchange.drive();
            if drove != Drive::Changed {
                ready!(self.poll_news(drove, cx));
            }
        }
    }

    /// The flight was ended, and this caller leaves. If it led with somebody who does not look, newcomers need not wait for that one.
    fn told(&mut self, error: coflight_core::Error) -> Error {
        if let Some(aboard) = &self.aboard {
            aboard.exchange.look_after();
        }
        self.leave();
        error.into()
    }

    /// Ready when something happened, or may have while nobody listened. `drove`: what this caller did just now.
    fn poll_news(&mut self, drove: Drive, cx: &mut Context<'_>) -> Poll<()> {
        if drove == Drive::Yielded {
            // Not at once, or the runtime's other tasks would wait for a work that only wants to let them pass.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(listener) = &mut self.listener {
            ready!(Pin::new(listener).poll(cx));
            self.listener = None;
            return Poll::Ready(());
        }
        let meeting = match &self.aboard {
            Some(aboard) => Some(Arc::clone(aboard.exchange.meeting())),
            None => self.between.meeting(),
        };
        match meeting {
            Some(meeting) => {
                self.listener = Some(meeting.changed.listen());
                Poll::Ready(())
            }
            // The ticket says when there is.
            None => Poll::Pending,
        }
    }

    /// A follower looks for what the leader received; and for what the next one does, if that came to nothing. `false`: it is too late.
    fn find(&mut self) -> bool {
        if self.ticket.is_none() || self.aboard.as_ref().is_some_and(|aboard| !aboard.exchange.is_lost()) {
            return true;
        }
        let current = self.between.meeting().and_then(|meeting| meeting.current());
        // Of one that came to nothing the ticket will tell.
        current.filter(|current| !current.is_lost()).is_none_or(|current| self.board(current))
    }

    /// `false`: it is too late for everything.
    fn board(&mut self, exchange: Arc<Exchange>) -> bool {
        let Some(reader) = exchange.join() else { return false };
        self.leave_exchange();
        self.aboard = Some(Aboard { exchange, reader });
        true
    }

    /// This caller is to lead.
    fn lead(&mut self, duty: Box<dyn Duty>, role: Role, meeting: &Arc<Meeting>) -> Result<(), Error> {
        if self.alone || matches!(role, Role::Alone | Role::Overtook) {
            self.alone = true;
            self.part = Part::Alone;
            return self.begin(duty, &Arc::new(Meeting::new()));
        }
        let current = meeting.current();
        if let (Some(aboard), Some(current)) = (&self.aboard, &current) {
            if Arc::ptr_eq(&aboard.exchange, current) && current.needs_a_leader() {
                return match current.install(duty, &aboard.reader) {
                    Installed::Held => Ok(()),
                    Installed::Released => self.go_alone(),
                };
            }
        }
        match current.filter(|current| !current.has_ended()) {
            None => {
                self.part = Part::Led;
                self.begin(duty, meeting)
            }
            Some(current) if self.board(Arc::clone(&current)) => self.lead(duty, role, meeting),
            Some(_) => {
                // Nor can anybody else.
                duty.forget();
                drop(duty);
                self.ask_again()
            }
        }
    }

    /// This caller, who is reading already, is to lead.
    fn lead_on(&mut self, duty: Box<dyn Duty>, meeting: &Meeting) {
        let Some(Aboard { exchange, reader }) = &self.aboard else { return };
        if exchange.needs_a_leader() && meeting.current().is_some_and(|current| Arc::ptr_eq(&current, exchange)) {
            let _ = exchange.install(duty, reader);
        }
        // Else the flight is, or will be, about another request, which this caller has no part in.
    }

    /// Sends its own request.
    fn begin(&mut self, duty: Box<dyn Duty>, meeting: &Arc<Meeting>) -> Result<(), Error> {
        let Some(send) = self.send.take() else { return Err(Error::Lagged) };
        self.leave_exchange();
        let (exchange, reader) = Exchange::new(meeting, send(), duty, self.headers.clone(), &self.budget, self.alone);
        meeting.put(&exchange);
        self.aboard = Some(Aboard { exchange, reader });
        Ok(())
    }

    /// The flight ended with this.
    fn landed(&mut self, shared: &Arc<Exchange>) -> Result<(), Error> {
        let same = self.aboard.as_ref().is_some_and(|aboard| Arc::ptr_eq(&aboard.exchange, shared));
        if same || self.board(Arc::clone(shared)) { Ok(()) } else { self.go_alone() }
    }

    fn ask_again(&mut self) -> Result<(), Error> {
        self.tries += 1;
        if self.tries > TRIES {
            return self.go_alone();
        }
        self.ask()
    }

    /// In a flight of its own, which nobody joins.
    fn go_alone(&mut self) -> Result<(), Error> {
        self.alone = true;
        self.key = self.key.alone();
        self.ask()
    }

    fn ask(&mut self) -> Result<(), Error> {
        if self.send.is_none() {
            // It had its chance.
            return Err(Error::Lagged);
        }
        self.leave();
        self.between = Arc::default();
        self.ticket = Some((self.tickets)(self.key.clone(), self.alone, Arc::clone(&self.between)));
        Ok(())
    }

    /// Leaves everything.
    fn leave(&mut self) {
        self.listener = None;
        self.leave_exchange();
        self.ticket = None;
    }

    fn leave_exchange(&mut self) {
        self.listener = None;
        if let Some(Aboard { exchange, reader }) = self.aboard.take() {
            exchange.leave(&reader);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

const _: () = {
    const fn is_send<T: std::marker::Send>() {}
    is_send::<Seat>();
};
