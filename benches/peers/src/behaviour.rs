//! What becomes of the callers when something goes wrong. Each cell of the table is one trial, in a process of its own, because some of them end in a hang.
//!
//! Callers are polled by hand, so that it is known which of them is polled when. "Hangs" means that nobody who could be polled was woken any more, for
//! [`QUIET`]; the process is given [`TOO_LONG`], in case something blocks the thread.

use std::future::Future;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use crate::allocator;
use crate::gate::Gate;
use crate::subjects::*;

/// After so long without a wake-up nothing more is expected, also not from a task of the runtime.
const QUIET: Duration = Duration::from_millis(300);
const TOO_LONG: Duration = Duration::from_secs(20);

/// What is tried, and what that is called.
const TRIALS: [(&str, &str); 7] = [
    ("leaves", "the leader is dropped"),
    ("parked", "the leader is not polled any more"),
    ("deaf", "a follower is not polled any more"),
    ("panics", "the work panics, with ten followers"),
    ("circle", "the work asks for its own key"),
    ("overlaps", "four threads, one key: works at a time"),
    ("leaks", "left of each key whose leader was dropped"),
];

macro_rules! for_each_subject {
    ($do:ident) => {
        [
            $do!(Run<u64>),
            $do!(Relay<u64>),
            $do!(Spawn<u64>),
            $do!(SingleflightAsync<u64>),
            $do!(AsyncSingleflight<u64>),
            $do!(RsSingleflight<u64>),
            $do!(Uniflight<u64>),
            $do!(Turboflight<u64>),
            $do!(QuickCache<u64>),
            $do!(Moka<u64>),
            $do!(CellInMap<u64>),
            $do!(SharedInMap<u64>),
        ]
    };
}

type Trial = fn(&str) -> String;

fn subjects() -> [(&'static str, Trial); 12] {
    macro_rules! entry {
        ($subject:ty) => {
            (<$subject as Subject<u64>>::NAME, trial::<$subject> as Trial)
        };
    }
    for_each_subject!(entry)
}

/// Prints the table, as Markdown.
pub(crate) fn table() -> std::io::Result<()> {
    let heads = TRIALS.map(|(_, head)| head);
    println!("| | {} |", heads.join(" | "));
    println!("|---{}|", "|---".repeat(TRIALS.len()));
    for (name, _) in subjects() {
        let mut cells = Vec::new();
        for (trial, _) in TRIALS {
            cells.push(in_its_own_process(name, trial)?);
        }
        println!("| {name} | {} |", cells.join(" | "));
    }
    Ok(())
}

fn in_its_own_process(subject: &str, trial: &str) -> std::io::Result<String> {
    let mut command = Command::new(std::env::current_exe()?);
    let mut child = command
        .args(["--trial", subject, trial])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if began.elapsed() > TOO_LONG {
            child.kill()?;
            child.wait()?;
            return Ok("**hangs**, the thread too".to_owned());
        }
        thread::sleep(Duration::from_millis(5));
    };
    let mut said = String::new();
    if let Some(mut output) = child.stdout.take() {
        output.read_to_string(&mut said)?;
    }
    Ok(if status.success() { said.trim().to_owned() } else { format!("**the process ends**: {status}") })
}

/// One trial, in this process: its result, or `None` if there is no such subject or trial.
pub(crate) fn alone(subject: &str, trial: &str) -> Option<String> {
    TRIALS.iter().find(|(name, _)| *name == trial)?;
    let (_, run) = subjects().into_iter().find(|(name, _)| *name == subject)?;
    // For those who ask for one.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().ok()?;
    let _entered = runtime.enter();
    let said = run(trial);
    // Its tasks may hang, too.
    runtime.shutdown_background();
    Some(said)
}

fn trial<S: Subject<u64>>(trial: &str) -> String {
    // Lives as long as the process, like the callers that hang.
    let subject: &'static S = Box::leak(Box::new(S::new(64)));
    match trial {
        "leaves" => leader_leaves(subject),
        "parked" => leader_is_parked(subject),
        "deaf" => follower_is_deaf(subject),
        "panics" => work_panics(subject),
        "circle" => work_asks_for_its_own_key(subject),
        "overlaps" => overlaps(subject),
        _ => leaks(subject),
    }
}

const KEY: u64 = 7;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Value(u64),
    Error,
    Panic,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A caller, polled by hand.
struct Caller {
    call: Option<Pin<Box<dyn Future<Output = Option<u64>> + Send>>>,
    woken: Arc<Woken>,
    end: Option<End>,
}

impl Caller {
    fn new<S, F, Fut>(subject: &'static S, work: F) -> Self
    where
        S: Subject<u64>,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = u64> + Send + 'static,
    {
        let call = Box::pin(async move { S::outcome(subject.call(&KEY, work).await) });
        let mut this = Self { call: Some(call), woken: Arc::new(Woken(AtomicBool::new(true))), end: None };
        this.poll();
        this
    }

    /// If it was woken; whether it was.
    fn poll(&mut self) -> bool {
        if !self.woken.0.swap(false, Ordering::SeqCst) {
            return false;
        }
        let Some(call) = &mut self.call else { return false };
        let waker = Waker::from(Arc::clone(&self.woken));
        let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(&mut Context::from_waker(&waker))));
        self.end = match polled {
            Ok(Poll::Pending) => return true,
            Ok(Poll::Ready(Some(value))) => Some(End::Value(value)),
            Ok(Poll::Ready(None)) => Some(End::Error),
            Err(_) => Some(End::Panic),
        };
        self.call = None;
        true
    }
}

/// Polls whoever is woken, until nobody is.
fn settle<'a>(callers: impl IntoIterator<Item = &'a mut Caller>) {
    let mut callers: Vec<_> = callers.into_iter().collect();
    let mut quiet_since = Instant::now();
    while quiet_since.elapsed() < QUIET && callers.iter().any(|caller| caller.call.is_some()) {
        let mut polled = false;
        for caller in &mut callers {
            polled |= caller.poll();
        }
        if polled {
            quiet_since = Instant::now();
        } else {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Whether somebody who comes now gets an answer.
fn newcomer_is_served(subject: &'static impl Subject<u64>) -> bool {
    let mut newcomer = Caller::new(subject, || async { 3 });
    settle([&mut newcomer]);
    matches!(newcomer.end, Some(End::Value(_)))
}

fn leader_leaves(subject: &'static impl Subject<u64>) -> String {
    let gate = Gate::leaked();
    let leader = Caller::new(subject, move || gate.work(1));
    let mut follower = Caller::new(subject, || async { 2 });
    drop(leader);
    settle([&mut follower]);
    if follower.end.is_none() {
        gate.open();
        settle([&mut follower]);
    }
    match follower.end {
        Some(End::Value(1)) => "a follower goes on with it".to_owned(),
        Some(End::Value(_)) => "a follower starts its own".to_owned(),
        Some(End::Error) => "followers get an error".to_owned(),
        Some(End::Panic) => "followers panic".to_owned(),
        None if newcomer_is_served(subject) => "**followers hang**".to_owned(),
        None => "**the key hangs for ever**".to_owned(),
    }
}

fn leader_is_parked(subject: &'static impl Subject<u64>) -> String {
    let gate = Gate::leaked();
    let _leader = Caller::new(subject, move || gate.work(1));
    let mut follower = Caller::new(subject, || async { 2 });
    gate.open();
    settle([&mut follower]);
    match follower.end {
        Some(End::Value(1)) => "the work goes on".to_owned(),
        Some(_) => "followers do not wait".to_owned(),
        None => "followers wait".to_owned(),
    }
}

/// With the result there, and with a leader that is dropped.
fn follower_is_deaf(subject: &'static impl Subject<u64>) -> String {
    let mut waits = Vec::new();
    for leaves in [false, true] {
        let gate = Gate::leaked();
        let mut leader = Caller::new(subject, move || gate.work(1));
        let _deaf = Caller::new(subject, || async { 2 });
        let mut other = Caller::new(subject, || async { 3 });
        if leaves {
            drop(leader);
        } else {
            gate.open();
            settle([&mut leader]);
        }
        settle([&mut other]);
        if other.end.is_none() {
            gate.open();
            settle([&mut other]);
        }
        if other.end.is_none() {
            waits.push(if leaves { "after a leader that was dropped" } else { "although the result is there" });
        }
        // What is left of the first must not disturb the second.
        drop(other);
    }
    if waits.is_empty() { "nobody notices".to_owned() } else { format!("**the next one waits** {}", waits.join(", ")) }
}

fn work_panics(subject: &'static impl Subject<u64>) -> String {
    std::panic::set_hook(Box::new(|_| {}));
    let runs = Arc::new(AtomicUsize::new(0));
    let gate = Gate::leaked();
    let mut callers: Vec<_> = (0..11)
        .map(|_| {
            let runs = Arc::clone(&runs);
            Caller::new(subject, move || async move {
                runs.fetch_add(1, Ordering::SeqCst);
                gate.work(1).await;
                panic!("as it is to");
            })
        })
        .collect();
    gate.open();
    settle(&mut callers);
    let ended = |end: Option<End>| callers.iter().skip(1).filter(|caller| caller.end == end).count();
    let mut text = match runs.load(Ordering::SeqCst) {
        1 => "1 run".to_owned(),
        runs => format!("{runs} runs"),
    };
    if ended(Some(End::Error)) > 0 {
        text += ", followers get an error";
    }
    if ended(Some(End::Panic)) > 0 {
        text += ", followers panic";
    }
    if ended(None) > 0 {
        text += ", **followers hang**";
    }
    drop(callers);
    if !newcomer_is_served(subject) {
        text += ", **the key is of no use any more**";
    }
    text
}

fn work_asks_for_its_own_key<S: Subject<u64>>(subject: &'static S) -> String {
    let work = move || async move { S::outcome(subject.call(&KEY, || async { 2 }).await).unwrap_or(99) };
    let mut caller = Caller::new(subject, work);
    settle([&mut caller]);
    match caller.end {
        Some(End::Value(99)) => "it gets an error".to_owned(),
        Some(End::Value(_)) => "it runs on its own".to_owned(),
        Some(End::Error) => "an error".to_owned(),
        Some(End::Panic) => "a panic".to_owned(),
        None => "**hangs**".to_owned(),
    }
}

/// Calls as fast as four threads can make them, for a second.
fn overlaps<S: Subject<u64>>(subject: &'static S) -> String {
    let (running, overlapping, runs) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let over = Instant::now() + Duration::from_secs(1);
    let runtime = tokio::runtime::Handle::current();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let _entered = runtime.enter();
                while Instant::now() < over {
                    let (running, overlapping, runs) = (running.clone(), overlapping.clone(), runs.clone());
                    let work = move || async move {
                        if running.fetch_add(1, Ordering::SeqCst) > 0 {
                            overlapping.fetch_add(1, Ordering::SeqCst);
                        }
                        runs.fetch_add(1, Ordering::SeqCst);
                        futures_lite::future::yield_now().await;
                        running.fetch_sub(1, Ordering::SeqCst);
                        1
                    };
                    futures_lite::future::block_on(subject.call(&KEY, work));
                }
            });
        }
    });
    let (overlapping, runs) = (overlapping.load(Ordering::SeqCst), runs.load(Ordering::SeqCst));
    if overlapping == 0 {
        return "one".to_owned();
    }
    format!("**several**: {overlapping} of {runs} works began beside another")
}

/// Keys are asked for one after another, each once.
fn leaks<S: Subject<u64>>(subject: &'static S) -> String {
    const KEYS: u64 = 20_000;
    let gate = Gate::leaked();
    let ask = |keys: std::ops::Range<u64>| {
        for key in keys {
            let mut call = Box::pin(subject.call(&key, move || gate.work(1)));
            let _ = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
    };
    // What is allocated once and for all is there by then.
    ask(0..1_000);
    let ask_all = || {
        ask(1_000..1_000 + KEYS);
        // Tasks of the runtime go a moment later.
        thread::sleep(2 * QUIET);
    };
    let left = allocator::left(ask_all) / KEYS as isize;
    if left <= 0 { "nothing".to_owned() } else { format!("{left} B") }
}
