//! An interrupt brings its leader's result at every moment at which somebody else's, that overtook it, is being brought: neither waits for what
//! it interrupted.

use core::cell::Cell;
use core::future::poll_fn;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use coflight::{Entry, Group, Timer};
use critical_section::Mutex;

use super::Flights;
use crate::board::Board;
use crate::work::ms;
use crate::{device, time};

/// Moments are some cycles apart, so that all of them are seen in reasonable time.
const STEP: u32 = 5;

/// What the leader in the interrupt was told: its own result, or the other's if that came first.
static TOLD: Mutex<Cell<Option<u32>>> = Mutex::new(Cell::new(None));

pub async fn every(board: Board) {
    let flights: Flights = Group::builder().runtime(board).overtake_after(ms(2)).build();
    let mut moment = 2; // SysTick counts no fewer cycles
    while moment_of(board, &flights, moment).await {
        moment += STEP;
    }
    assert!(moment > 1_000, "it was over after {moment} cycles");
}

/// Whether there was an interrupt before the call was over.
async fn moment_of(board: Board, flights: &Flights, moment: u32) -> bool {
    let Entry::Leader(leader) = flights.enter(&1) else { panic!("nobody else leads") };
    let mut leader = Some(leader);
    let handling = device::on_interrupt(move || {
        if let Some(leader) = leader.take() {
            let told = leader.complete(1).ok();
            critical_section::with(|cs| TOLD.borrow(cs).set(told));
        }
    });
    let mut call = pin!(flights.run(&1, || async { 2 }));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(call.as_mut().poll(&mut cx).is_pending());
    board.sleep(ms(3)).await;
    time::interrupt_device_after(moment);
    let polled = call.as_mut().poll(&mut cx);
    let interrupted = !time::interrupt_device_no_more();
    let answer = match polled {
        Poll::Ready(answer) => answer,
        Poll::Pending => poll_fn(|cx| call.as_mut().poll(cx)).await,
    };
    assert!(matches!(answer, Ok(1 | 2)), "after {moment} cycles: {answer:?}");
    if interrupted {
        let told = critical_section::with(|cs| TOLD.borrow(cs).take());
        assert_eq!(told, answer.ok(), "after {moment} cycles");
    }
    drop(handling);
    assert!(flights.is_empty());
    interrupted
}
