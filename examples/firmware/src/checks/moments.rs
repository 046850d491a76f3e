//! An interrupt at every moment: two calls are made again and again, and interrupted one cycle later each time.

use core::cell::Cell;
use core::future::poll_fn;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};

use coflight::{Error, Group};
use critical_section::Mutex;

use super::{Flights, settled};
use crate::board::Board;
use crate::callers::Answer;
use crate::{device, heap, time};

/// What the interrupt does to the group.
#[derive(Clone, Copy)]
enum Act {
    Forget,
    Cancel,
    /// Asks for the same key, and leaves.
    Call,
}

/// Whether the last interrupt found a flight to act on.
static FOUND: Mutex<Cell<bool>> = Mutex::new(Cell::new(false));

pub async fn every(board: Board) {
    for relayed in [false, true] {
        for act in [Act::Forget, Act::Cancel, Act::Call] {
            let flights: Flights = Group::with_runtime(board);
            let _ = two_calls(&flights, relayed); // makes room in the table, which stays
            flights.reset_stats();
            let seen = flights.clone();
            let handling = device::on_interrupt(move || interrupt(act, &seen));
            let (mut moment, mut found) = (2, 0); // SysTick counts no fewer cycles
            loop {
                let (interrupted, acted) = moment_of(&flights, relayed, act, moment);
                found += u32::from(acted);
                if !interrupted {
                    break;
                }
                moment += 1;
            }
            drop(handling);
            assert!(found > moment / 10 && found < moment, "in {found} of {moment} moments there was a flight");
        }
    }
}

/// Returns whether there was an interrupt before the calls were over, and whether it found a flight.
fn moment_of(flights: &Flights, relayed: bool, act: Act, moment: u32) -> (bool, bool) {
    let before = heap::used();
    time::interrupt_device_after(moment);
    let answers = two_calls(flights, relayed);
    let interrupted = !time::interrupt_device_no_more();
    let acted = critical_section::with(|cs| FOUND.borrow(cs).take());

    let cancelled = acted && matches!(act, Act::Cancel);
    let right = |answer: &Answer| *answer == Ok(42) || cancelled && *answer == Err(Error::Cancelled);
    assert!(answers.iter().all(right), "after {moment} cycles: {answers:?}");
    let stats = flights.reset_stats();
    let calls = if interrupted && matches!(act, Act::Call) { 3 } else { 2 };
    assert_eq!(stats.calls(), calls, "after {moment} cycles: {stats:?}");
    assert_eq!(stats.led, stats.completed + stats.cancelled, "after {moment} cycles: {stats:?}");
    assert_eq!(stats.cancelled, cancelled.into(), "after {moment} cycles");
    settled(flights, |_| ());
    assert_eq!(heap::used(), before, "bytes in use, after {moment} cycles");
    (interrupted, acted)
}

fn interrupt(act: Act, flights: &Flights) {
    let found = match act {
        Act::Forget => flights.forget(&1),
        Act::Cancel => flights.cancel(&1),
        Act::Call => {
            let mut call = pin!(flights.run(&1, || async { 42 }));
            let answer = ready(poll(call.as_mut()));
            assert!(matches!(answer, None | Some(Ok(42))));
            answer.is_none()
        }
    };
    critical_section::with(|cs| FOUND.borrow(cs).set(found));
}

/// A leader, and a follower who may help. Both are polled in turn, woken or not.
fn two_calls(flights: &Flights, relayed: bool) -> [Answer; 2] {
    let call =
        |relayed| async move { if relayed { flights.relay(&1, work).await } else { flights.run(&1, work).await } };
    let (mut first, mut second) = (pin!(call(relayed)), pin!(call(!relayed)));
    let mut answers = [None, None];
    for _ in 0..6 {
        if answers[0].is_none() {
            answers[0] = ready(poll(first.as_mut()));
        }
        if answers[1].is_none() {
            answers[1] = ready(poll(second.as_mut()));
        }
    }
    answers.map(|answer| answer.expect("a few polls are enough"))
}

/// Needs a second poll.
async fn work() -> u32 {
    let mut polled = false;
    poll_fn(|cx| {
        if polled {
            return Poll::Ready(42);
        }
        polled = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

fn poll<F: Future>(call: Pin<&mut F>) -> Poll<F::Output> {
    call.poll(&mut Context::from_waker(Waker::noop()))
}

fn ready<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
