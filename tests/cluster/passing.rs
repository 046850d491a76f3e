//! Ways to let time pass.

use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use coflight::cluster::{Engine, Error, InProcess, Served};
use coflight_tests::*;

use crate::common::*;

/// Lets beats pass, in each of which so many processes ask the engine, because they renew, or look.
pub(crate) async fn beats(lab: &Lab, engine: &InProcess, beats: usize, processes: usize, job: Option<&Job>) {
    for _ in 0..beats {
        // Nobody is taken for one that does not drive its work,
        if let Some(job) = job {
            job.shown(lab).await;
        }
        // all of them are asleep,
        lab.until(|| lab.time().timers() >= processes).await;
        let before = engine.operations();
        lab.time().advance(BEAT);
        // and have been awake.
        lab.until(|| engine.operations() >= before + processes as u64).await;
    }
    if let Some(job) = job {
        job.shown(lab).await;
    }
}

/// Nobody is asleep: those of an engine before this one are not to be taken for those of the next.
pub(crate) async fn idle(lab: &Lab) {
    lab.until(|| lab.time().timers() == 0).await;
}

/// What a caller gets, while time passes in small steps; how much of it did is told, too.
pub(crate) async fn passing<T>(lab: &Lab, mut caller: Task<T>) -> (T, Duration) {
    let began = lab.time().now();
    loop {
        // On a machine that does much else, each of these may take a while.
        for _ in 0..5 {
            if let Some(ended) = poll_once(&mut caller).await {
                return (ended.returned(), lab.time().now() - began);
            }
            std::thread::yield_now();
            yield_now().await;
        }
        // Whoever runs on a thread of its own needs real time.
        std::thread::sleep(Duration::from_micros(300));
        lab.time().advance(PATIENCE / 50);
    }
}

/// Lets a time pass, in steps, each of which is given the chance to be noticed, until something holds: after this long, or up to four times that, because what
/// is begun late is over late. Such steps take longer, so that no machine is busy enough to need more of them. What is to come in time is for [`pass_asleep`].
pub(crate) async fn pass_until(lab: &Lab, expected: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let began = lab.time().now();
    loop {
        for _ in 0..5 {
            if holds() {
                return;
            }
            std::thread::yield_now();
            yield_now().await;
        }
        let passed = lab.time().now() - began;
        assert!(passed < 4 * expected, "{what}: not after {passed:?}");
        // Whoever runs on a thread of its own needs real time.
        std::thread::sleep(Duration::from_millis(if passed < expected { 1 } else { 20 }));
        lab.time().advance(expected / 60);
    }
}

/// Who asks the engine on a thread of its own has a timer for that, too, and is taken for asleep: then time moves on before it sleeps, and it wakes as much later. A quarter of a beat
/// is how long it waits after a look that failed.
const SLACK: Duration = BEAT.checked_div(2).expect("a beat has halves");

/// Lets time pass until something holds, but not more than a limit and [`SLACK`], in steps, at each of which everyone who is to wake does: so many are asleep
/// again, and the work was shown to be driven. Returns how much time that took.
pub(crate) async fn pass_asleep(
    lab: &Lab,
    limit: Duration,
    sleepers: usize,
    job: Option<&Job>,
    mut holds: impl FnMut() -> bool,
) -> Duration {
    let began = lab.time().now();
    loop {
        lab.until(|| holds() || lab.time().timers() >= sleepers).await;
        let passed = lab.time().now() - began;
        if passed >= limit + SLACK {
            lab.until(&mut holds).await;
        }
        if holds() {
            return passed;
        }
        if let Some(job) = job {
            job.shown(lab).await;
        }
        lab.time().advance((limit + SLACK - passed).min(Duration::from_millis(5)));
    }
}

/// A caller of `a` whose work was begun, and which nobody polled since: its process resigned in its stead, and `b` has done the work.
pub(crate) async fn not_polled<En: Engine>(
    lab: &Lab,
    a: &Process<u32, En>,
    b: &Process<u32, En>,
    stuck: &Job,
) -> Pin<Box<Call<(Result<u32, Error>, Served)>>> {
    let work = Job::default();
    let mut parked = boarded(call(By::Run, a, KEY, stuck.value(1)));
    lab.until(|| poll_now(parked.as_mut()).is_pending() && stuck.begun() == 1).await;
    work.gate.open();
    let follower = lab.start(call(By::Run, b, KEY, work.value(2)));
    lab.until(|| b.cluster_stats().followed == 1).await;
    // One renews, one looks.
    pass_asleep(lab, 2 * BEAT, 2, None, || work.begun() == 1).await;
    assert_eq!(follower.await.returned().0.unwrap(), 2);
    lab.until(|| a.cluster_stats().resigned == 1).await;
    parked
}

/// What the first caller of a process gets who learns that the engine is down: no more time passes than that takes.
pub(crate) async fn found_down<T, V: Clone + Send + Sync + 'static>(
    lab: &Lab,
    process: &Process<V, Fronted>,
    sleepers: usize,
    caller: Task<T>,
) -> T {
    let is_down = || process.cluster_stats().engine_down == 1;
    pass_asleep(lab, PATIENCE, sleepers, None, is_down).await;
    caller.await.returned()
}

/// What a caller gets, as [`pass_asleep`] has time pass.
pub(crate) async fn within<T>(
    lab: &Lab,
    limit: Duration,
    sleepers: usize,
    job: Option<&Job>,
    mut caller: Task<T>,
) -> T {
    let mut ended = None;
    let ready = || {
        if ended.is_none() {
            if let Poll::Ready(end) = poll_now(Pin::new(&mut caller)) {
                ended = Some(end);
            }
        }
        ended.is_some()
    };
    pass_asleep(lab, limit, sleepers, job, ready).await;
    ended.expect("its end").returned()
}

/// Lets time pass until nothing has the engine any more, after these processes are dropped: no task that goes on behind everybody's back.
pub(crate) async fn settle<V: Clone + Send + Sync + 'static>(
    lab: &Lab,
    engine: Fronted,
    processes: impl IntoIterator<Item = Process<V, Fronted>>,
) {
    processes.into_iter().for_each(drop);
    let alive = engine.alive();
    drop(engine);
    pass_until(lab, 6 * LEASE, "nobody has the engine any more", || alive.strong_count() == 0).await;
    lab.until(|| lab.time().timers() == 0).await;
}
