//! Callers in tasks of their own, and what they got.

use alloc::vec::Vec;
use core::cell::RefCell;
use core::future::poll_fn;
use core::pin::pin;
use core::task::{Poll, Waker};

use coflight::{Error, Spawn, Timer};
use critical_section::Mutex;

use crate::board::Board;
use crate::time;
use crate::work::ms;

pub type Answer = Result<u32, Error>;

/// What the callers got so far, and at which tick.
static GOT: Mutex<RefCell<Vec<(u64, Answer)>>> = Mutex::new(RefCell::new(Vec::new()));

static WAITING: Mutex<RefCell<Option<Waker>>> = Mutex::new(RefCell::new(None));

/// Starts a caller.
pub fn start(board: Board, call: impl Future<Output = Answer> + Send + 'static) {
    board.spawn(async move {
        let answer = call.await;
        let now = time::ticks();
        let waiting = critical_section::with(|cs| {
            GOT.borrow_ref_mut(cs).push((now, answer));
            WAITING.take(cs)
        });
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    });
}

/// Waits until so many callers got something.
pub async fn answers(count: usize) -> Vec<(u64, Answer)> {
    poll_fn(|cx| {
        let waker = cx.waker().clone();
        critical_section::with(|cs| {
            if GOT.borrow_ref(cs).len() < count {
                WAITING.replace(cs, Some(waker));
                return Poll::Pending;
            }
            Poll::Ready(GOT.take(cs))
        })
    })
    .await
}

/// Waits for so many callers, all of whom must get `expected`. Returns the ticks at which the first and the last one did.
pub async fn all_get(count: usize, expected: Answer) -> (u64, u64) {
    let answers = answers(count).await;
    assert_eq!(answers.len(), count, "somebody got an answer twice");
    assert!(answers.iter().all(|(_, answer)| *answer == expected), "expected {expected:?}: {answers:?}");
    (answers[0].0, answers[count - 1].0)
}

/// Leaves after so many milliseconds. `None`: it left before the call was answered.
pub async fn leaving<F: Future>(board: Board, after: u64, call: F) -> Option<F::Output> {
    let mut call = pin!(call);
    let mut time_to_go = pin!(board.sleep(ms(after)));
    poll_fn(|cx| match call.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => time_to_go.as_mut().poll(cx).map(|()| None),
    })
    .await
}
