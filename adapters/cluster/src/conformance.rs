//! Tests for engines: one for each promise of [`Engine`], to be run on an engine of your own.
//!
//! ```
//! # mod tests {
//! coflight::cluster::conformance_tests!(coflight::cluster::InProcess::new());
//! # }
//! ```
//!
//! Each test blocks its thread, for well under a second, and panics if the promise is broken. They use names of their own, so they may share a system with
//! each other, and with anything else. Time is the real one.

use std::future::Future;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future::{self, block_on};

use crate::engine::{Engine, Joined, Keep, Lead, Name, Nonce, Renewed, Seen, Token};

/// Makes a `#[test]` of each promise, for the engine that an expression gives.
///
/// ```
/// mod conformance {
///     // Yours in place of this one.
///     coflight::cluster::conformance_tests!(coflight::cluster::InProcess::new());
/// }
/// # // What one of the tests does.
/// # coflight::cluster::conformance::tokens_grow(coflight::cluster::InProcess::new());
/// ```
#[macro_export]
macro_rules! conformance_tests {
    ($engine:expr) => {
        $crate::conformance_tests!(@each $engine;
            one_leads_and_the_others_follow
            a_leader_that_asks_again_leads
            an_ending_reaches_those_who_followed
            an_ending_is_not_for_newcomers
            an_ending_lingers_for_as_long_as_it_was_told
            the_first_ending_is_the_only_one
            nobody_else_can_end_a_flight
            a_lease_runs_out
            a_lease_that_is_renewed_does_not
            a_late_leader_ends_nothing
            a_late_leader_learns_of_its_successor
            who_resigns_is_succeeded_at_once
            resigning_late_takes_nothing_from_the_successor
            tokens_grow
            a_leader_learns_that_somebody_waits
            a_cancelled_flight_is_over_for_all
            cancelling_ends_lingering
            a_forgotten_flight_goes_on
            forgetting_ends_lingering
            nothing_to_cancel_or_forget
            changes_are_told
            whoever_listens_is_told
            names_do_not_touch
            endings_are_any_bytes
            hundreds_join_and_one_leads
        );
    };
    (@each $engine:expr; $($promise:ident)*) => {$(
        #[test]
        fn $promise() {
            $crate::conformance::$promise($engine);
        }
    )*};
}

const LEASE: Duration = Duration::from_secs(20);
/// Of a lease or a result that is to run out.
const SHORT: Duration = Duration::from_millis(150);
const KEEP: Keep = Keep { fetch: LEASE, linger: Duration::ZERO };

fn name() -> Name {
    let nonce = nonce();
    let hex: String = nonce.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    Name::new(&format!("conformance:{hex}"))
}

fn nonce() -> Nonce {
    Nonce::random().expect("randomness")
}

/// Waits for what takes a while, and panics if it does not come.
async fn eventually<T, Fut: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> Fut) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < LEASE / 2, "{what}: still not after {:?}", began.elapsed());
        thread::sleep(Duration::from_millis(5));
    }
}

async fn lead_for<E: Engine>(engine: &E, name: &Name, lease: Duration) -> Lead {
    let nonce = nonce();
    match engine.join(name, nonce, lease).await.expect("join") {
        Joined::Leads(token) => Lead { name: name.clone(), token, nonce },
        other => panic!("somebody else leads: {other:?}"),
    }
}

async fn lead<E: Engine>(engine: &E, name: &Name) -> Lead {
    lead_for(engine, name, LEASE).await
}

async fn join<E: Engine>(engine: &E, name: &Name) -> Joined {
    engine.join(name, nonce(), LEASE).await.expect("join")
}

async fn look<E: Engine>(engine: &E, lead: &Lead) -> Seen {
    engine.look(&lead.name, lead.token).await.expect("look")
}

async fn renew<E: Engine>(engine: &E, lead: &Lead) -> Renewed {
    engine.renew(lead, LEASE).await.expect("renew")
}

async fn publish<E: Engine>(engine: &E, lead: &Lead, ending: &[u8]) -> bool {
    engine.publish(lead, ending, KEEP).await.expect("publish")
}

/// Returns whether the flight has an ending.
async fn resign<E: Engine>(engine: &E, lead: &Lead) -> bool {
    engine.resign(lead).await.expect("resign")
}

async fn cancel<E: Engine>(engine: &E, name: &Name, ending: &[u8]) -> bool {
    engine.cancel(name, ending, LEASE).await.expect("cancel")
}

async fn expired<E: Engine>(engine: &E, lead: &Lead) {
    eventually("the lease runs out", || async { (look(engine, lead).await == Seen::Gone).then_some(()) }).await;
}

fn ended(bytes: &[u8]) -> Seen {
    Seen::Ended(bytes.into())
}

/// Of those who join at a time, one leads.
pub fn one_leads_and_the_others_follow<E: Engine>(engine: E) {
    block_on(async {
        let name = name();
        let lead = lead(&engine, &name).await;
        for _ in 0..3 {
            assert_eq!(join(&engine, &name).await, Joined::Follows(lead.token));
        }
        assert_eq!(look(&engine, &lead).await, Seen::Flies { forgotten: false });
    });
}

/// An answer that was lost can be asked for again.
pub fn a_leader_that_asks_again_leads<E: Engine>(engine: E) {
    block_on(async {
        let name = name();
        let lead = lead(&engine, &name).await;
        let again = engine.join(&name, lead.nonce, LEASE).await.expect("join");
        assert_eq!(again, Joined::Leads(lead.token));
    });
}

/// Followers get the ending, as often as they ask.
pub fn an_ending_reaches_those_who_followed<E: Engine>(engine: E) {
    block_on(async {
        let lead = lead(&engine, &name()).await;
        assert!(publish(&engine, &lead, b"result").await);
        for _ in 0..3 {
            assert_eq!(look(&engine, &lead).await, ended(b"result"));
        }
        assert_eq!(renew(&engine, &lead).await, Renewed::Ended((*b"result").into()));
    });
}

/// A flight that has ended cannot be joined.
pub fn an_ending_is_not_for_newcomers<E: Engine>(engine: E) {
    block_on(async {
        let name = name();
        let first = lead(&engine, &name).await;
        assert!(publish(&engine, &first, b"first").await);
        let second = lead(&engine, &name).await;
        assert!(second.token > first.token);
        assert_eq!(look(&engine, &first).await, ended(b"first"));
        assert_eq!(look(&engine, &second).await, Seen::Flies { forgotten: false });
        assert!(publish(&engine, &second, b"second").await);
        assert_eq!(look(&engine, &second).await, ended(b"second"));
    });
}

/// Newcomers get a result that lingers, and then no more. After that nothing is left of it.
pub fn an_ending_lingers_for_as_long_as_it_was_told<E: Engine>(engine: E) {
    block_on(async {
        let name = name();
        let first = lead(&engine, &name).await;
        let keep = Keep { fetch: Duration::from_millis(1), linger: SHORT };
        let published = Instant::now();
        assert!(engine.publish(&first, b"result", keep).await.expect("publish"));
        let token = first.token;
        eventually("lingering ends", || async {
            match join(&engine, &name).await {
                Joined::Lingers(of, bytes) => {
                    assert_eq!((of, &*bytes), (token, &b"result"[..]));
                    None
                }
                Joined::Leads(next) => {
                    assert!(next > token);
                    Some(())
                }
                other => panic!("{other:?}"),
            }
        })
        .await;
        // Less what clocks that tick in milliseconds may round.
        assert!(published.elapsed() + Duration::from_millis(2) >= SHORT, "after {:?}", published.elapsed());
        expired(&engine, &first).await;
    });
}

/// Publishing again changes nothing, whoever does it.
pub fn the_first_ending_is_the_only_one<E: Engine>(engine: E) {
    block_on(async {
        let lead = lead(&engine, &name()).await;
        assert!(publish(&engine, &lead, b"first").await);
        assert!(publish(&engine, &lead, b"first").await, "its own, again");
        assert!(!publish(&engine, &lead, b"second").await);
        assert!(resign(&engine, &lead).await, "it has an ending");
        assert_eq!(look(&engine, &lead).await, ended(b"first"));
    });
}

/// Only who knows the nonce leads.
pub fn nobody_else_can_end_a_flight<E: Engine>(engine: E) {
    block_on(async {
        let lead = lead(&engine, &name()).await;
        let false_lead = Lead { nonce: nonce(), ..lead.clone() };
        assert!(!publish(&engine, &false_lead, b"false").await);
        assert!(!resign(&engine, &false_lead).await);
        assert!(matches!(renew(&engine, &false_lead).await, Renewed::Lost { succeeded: true }));
        assert_eq!(look(&engine, &lead).await, Seen::Flies { forgotten: false });
        let other_token = Lead { token: Token(lead.token.0 + 1), ..lead.clone() };
        assert!(!publish(&engine, &other_token, b"false").await);
        assert!(publish(&engine, &lead, b"true").await);
    });
}

/// A leader that is dead is replaced.
pub fn a_lease_runs_out<E: Engine>(engine: E) {
    block_on(async {
        let name = name();
        let began = Instant::now();
        let first = lead_for(&engine, &name, SHORT).await;
        let second = eventually("somebody else leads", || async {
            let nonce = nonce();
            match engine.join(&name, nonce, LEASE).await.expect("join") {
                Joined::Leads(token) => Some(Lead { name: name.clone(), token, nonce }),
                _ => None,
            }
        })
        .await;
        assert!(began.elapsed() + Duration::from_millis(2) >= SHORT, "after {:?}", began.elapsed());
        assert!(second.token > first.token);
        assert_eq!(look(&engine, &first).await, Seen::Gone);
    });
}

/// A leader that is alive is not.
pub fn a_lease_that_is_renewed_does_not<E: Engine>(engine: E) {
    block_on(async {
        let lead = eventually("a lease is renewed in time", || async {
            let began = Instant::now();
            let lead = lead_for(&engine, &name(), SHORT).await;
            match renew(&engine, &lead).await {
                Renewed::Held { .. } => Some(lead),
                // It came too late, on a machine that does much else.
                Renewed::Lost { .. } if began.elapsed() >= SHORT => None,
                other => panic!("{other:?} after {:?}", began.elapsed()),
            }
        })
        .await;
        thread::sleep(2 * SHORT);
        assert!(matches!(renew(&engine, &lead).await, Renewed::Held { followed: None, forgotten: false }));
        assert_eq!(join(&engine, &lead.name).await, Joined::Follows(lead.token));
    });
}

/// Not before, and not after somebody else leads.
pub fn a_late_leader_ends_nothing<E: Engine>(engine: E) {
    block_on(async {
        let name = name();
        let late = lead_for(&engine, &name, SHORT).await;
        expired(&engine, &late).await;
        assert!(!publish(&engine, &late, b"late").await, "nobody leads");
        let successor = lead(&engine, &name).await;
        assert!(!publish(&engine, &late, b"late").await, "somebody else does");
        assert!(publish(&engine, &successor, b"result").await);
        assert!(!publish(&engine, &late, b"late").await, "somebody else did");
        assert_eq!(look(&engine, &successor).await, ended(b"result"));
        assert_eq!(look(&engine, &late).await, Seen::Gone);
    });
}

/// So that it can stop.
pub fn a_late_leader_learns_of_its_successor<E: Engine>(engine: E) {
    block_on(async {
        let name = name();
        let late = lead_for(&engine, &name, SHORT).await;
        expired(&engine, &late).await;
        assert_eq!(renew(&engine, &late).await, Renewed::Lost { succeeded: false });
        let _successor = lead(&engine, &name).await;
        assert_eq!(renew(&engine, &late).await, Renewed::Lost { succeeded: true });
    });
}

/// Without waiting for the lease.
pub fn who_resigns_is_succeeded_at_once<E: Engine>(engine: E) {
    block_on(async {
        let name = name();
        let first = lead(&engine, &name).await;
        assert!(!resign(&engine, &first).await);
        assert_eq!(look(&engine, &first).await, Seen::Gone);
        let second = lead(&engine, &name).await;
        assert!(second.token > first.token);
        assert!(!publish(&engine, &first, b"late").await);
    });
}

/// However often, and whenever, it is done.
pub fn resigning_late_takes_nothing_from_the_successor<E: Engine>(engine: E) {
    block_on(async {
        let name = name();
        let first = lead(&engine, &name).await;
        assert!(!resign(&engine, &first).await);
        let second = lead(&engine, &name).await;
        assert!(!resign(&engine, &first).await);
        assert_eq!(join(&engine, &name).await, Joined::Follows(second.token));
        assert!(publish(&engine, &second, b"result").await);
    });
}

/// Whatever ended the flights.
pub fn tokens_grow<E: Engine>(engine: E) {
    block_on(async {
        let name = name();
        let mut last = Token(0);
        for round in 0..60 {
            let lead = lead(&engine, &name).await;
            assert!(lead.token > last, "{} after {last}", lead.token);
            last = lead.token;
            match round % 4 {
                0 => assert!(publish(&engine, &lead, b"x").await),
                1 => assert!(!resign(&engine, &lead).await),
                2 => assert!(cancel(&engine, &name, b"x").await),
                _ => assert!(engine.forget(&name).await.expect("forget")),
            }
        }
    });
}

/// By renewing.
pub fn a_leader_learns_that_somebody_waits<E: Engine>(engine: E) {
    block_on(async {
        let lead = lead(&engine, &name()).await;
        assert_eq!(renew(&engine, &lead).await, Renewed::Held { followed: None, forgotten: false });
        join(&engine, &lead.name).await;
        thread::sleep(Duration::from_millis(50));
        let Renewed::Held { followed: Some(since_join), .. } = renew(&engine, &lead).await else { panic!("not held") };
        assert!(since_join >= Duration::from_millis(45), "{since_join:?}");
        look(&engine, &lead).await;
        let Renewed::Held { followed: Some(since_look), .. } = renew(&engine, &lead).await else { panic!("not held") };
        assert!(since_look < since_join, "{since_look:?} after {since_join:?}");
    });
}

/// Its leader learns of it, followers get the ending, newcomers start afresh.
pub fn a_cancelled_flight_is_over_for_all<E: Engine>(engine: E) {
    block_on(async {
        let name = name();
        let first = lead(&engine, &name).await;
        assert!(cancel(&engine, &name, b"cancelled").await);
        assert_eq!(look(&engine, &first).await, ended(b"cancelled"));
        assert_eq!(renew(&engine, &first).await, Renewed::Ended((*b"cancelled").into()));
        assert!(!publish(&engine, &first, b"result").await);
        let second = lead(&engine, &name).await;
        assert!(second.token > first.token);
        assert!(cancel(&engine, &name, b"again").await);
        assert_eq!(look(&engine, &first).await, ended(b"cancelled"));
    });
}

/// Those who followed still get the result.
pub fn cancelling_ends_lingering<E: Engine>(engine: E) {
    block_on(async {
        let name = name();
        let first = lead(&engine, &name).await;
        let keep = Keep { fetch: LEASE, linger: LEASE };
        assert!(engine.publish(&first, b"result", keep).await.expect("publish"));
        assert!(matches!(join(&engine, &name).await, Joined::Lingers(..)));
        assert!(cancel(&engine, &name, b"cancelled").await);
        assert!(!cancel(&engine, &name, b"cancelled").await);
        assert_eq!(look(&engine, &first).await, ended(b"result"));
        lead(&engine, &name).await;
    });
}

/// For those who followed it, while newcomers start afresh.
pub fn a_forgotten_flight_goes_on<E: Engine>(engine: E) {
    block_on(async {
        let name = name();
        let first = lead(&engine, &name).await;
        assert!(engine.forget(&name).await.expect("forget"));
        assert_eq!(look(&engine, &first).await, Seen::Flies { forgotten: true });
        assert!(matches!(renew(&engine, &first).await, Renewed::Held { forgotten: true, .. }));
        let second = lead(&engine, &name).await;
        assert_eq!(join(&engine, &name).await, Joined::Follows(second.token));
        assert!(publish(&engine, &first, b"first").await);
        assert_eq!(look(&engine, &first).await, ended(b"first"));
        assert_eq!(look(&engine, &second).await, Seen::Flies { forgotten: false });
        assert_eq!(join(&engine, &name).await, Joined::Follows(second.token));
        assert!(publish(&engine, &second, b"second").await);
        assert_eq!(look(&engine, &second).await, ended(b"second"));
    });
}

/// Those who followed still get the result.
pub fn forgetting_ends_lingering<E: Engine>(engine: E) {
    block_on(async {
        let name = name();
        let first = lead(&engine, &name).await;
        let keep = Keep { fetch: LEASE, linger: LEASE };
        assert!(engine.publish(&first, b"result", keep).await.expect("publish"));
        assert!(engine.forget(&name).await.expect("forget"));
        assert!(!engine.forget(&name).await.expect("forget"));
        assert_eq!(look(&engine, &first).await, ended(b"result"));
        lead(&engine, &name).await;
    });
}

/// Is said.
pub fn nothing_to_cancel_or_forget<E: Engine>(engine: E) {
    block_on(async {
        let name = name();
        assert!(!cancel(&engine, &name, b"cancelled").await);
        assert!(!engine.forget(&name).await.expect("forget"));
        let lead = lead(&engine, &name).await;
        assert!(publish(&engine, &lead, b"result").await);
        assert!(!cancel(&engine, &name, b"cancelled").await);
        assert!(!engine.forget(&name).await.expect("forget"));
        assert_eq!(look(&engine, &lead).await, ended(b"result"));
    });
}

/// To whoever listened before, if somebody followed.
pub fn changes_are_told<E: Engine>(engine: E) {
    block_on(async {
        for change in ["publish", "resign", "cancel", "forget"] {
            let name = name();
            let lead = lead(&engine, &name).await;
            join(&engine, &name).await;
            let changed = engine.changed(&name);
            let other = engine.changed(&self::name());
            match change {
                "publish" => assert!(publish(&engine, &lead, b"x").await),
                "resign" => assert!(!resign(&engine, &lead).await),
                "cancel" => assert!(cancel(&engine, &name, b"x").await),
                _ => assert!(engine.forget(&name).await.expect("forget")),
            }
            assert!(told(changed), "nobody was told of {change}");
            drop(other);
        }
    });
}

/// If somebody asks for it.
pub fn whoever_listens_is_told<E: Engine>(engine: E) {
    block_on(async {
        let name = name();
        let changed = engine.changed(&name);
        engine.tell(&name).await.expect("tell");
        assert!(told(changed), "nobody was told");
    });
}

/// Whether it is ready in time; on a thread of its own, because nothing else may drive it here.
fn told(changed: impl Future<Output = ()> + Send + 'static) -> bool {
    let (tell, ready) = std::sync::mpsc::channel();
    thread::spawn(move || {
        block_on(changed);
        // Nobody waits any more if it was late.
        let _ = tell.send(());
    });
    ready.recv_timeout(LEASE / 2).is_ok()
}

/// Each is by itself.
pub fn names_do_not_touch<E: Engine>(engine: E) {
    block_on(async {
        let (a, b) = (name(), name());
        let (lead_a, lead_b) = (lead(&engine, &a).await, lead(&engine, &b).await);
        assert!(publish(&engine, &lead_a, b"a").await);
        assert!(engine.forget(&b).await.expect("forget"));
        assert_eq!(look(&engine, &lead_a).await, ended(b"a"));
        assert_eq!(look(&engine, &lead_b).await, Seen::Flies { forgotten: true });
        let prefix = Name::new(&format!("{a}:1"));
        let _lead = lead(&engine, &prefix).await;
        let _lead = lead(&engine, &a).await;
    });
}

/// Also none, and many.
pub fn endings_are_any_bytes<E: Engine>(engine: E) {
    block_on(async {
        let all: Vec<u8> = (0..=255).cycle().take(300_000).collect();
        for bytes in [&b""[..], b"\0", b"\r\n$-1\r\n", b"0", &all] {
            let lead = lead(&engine, &name()).await;
            assert!(publish(&engine, &lead, bytes).await);
            assert!(look(&engine, &lead).await == ended(bytes), "{} bytes", bytes.len());
        }
    });
}

/// Also if they come at the same moment.
pub fn hundreds_join_and_one_leads<E: Engine>(engine: E) {
    let name = Arc::new(name());
    for _ in 0..20 {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (engine, name) = (engine.clone(), Arc::clone(&name));
                thread::spawn(move || {
                    block_on(async {
                        let mut led = None;
                        for _ in 0..6 {
                            let nonce = nonce();
                            if let Joined::Leads(token) = engine.join(&name, nonce, LEASE).await.expect("join") {
                                assert!(led.is_none(), "led twice");
                                led = Some(Lead { name: (*name).clone(), token, nonce });
                            }
                            future::yield_now().await;
                        }
                        led
                    })
                })
            })
            .collect();
        let led: Vec<Lead> = threads.into_iter().filter_map(|thread| thread.join().expect("no panic")).collect();
        assert_eq!(led.len(), 1, "leaders");
        block_on(async { assert!(publish(&engine, &led[0], b"x").await) });
    }
}
