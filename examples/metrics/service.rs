//! The service, which asks a stock exchange for quotes, and a day on which everything happens that can.

use std::fmt;
use std::future::pending;
use std::pin::Pin;
use std::time::Duration;

use coflight::{Entry, Group, Metrics, OnFailure, Tokio, Traced, Tracing, TryError, TryGroup};
use futures_lite::future::poll_once;
use tokio::task::JoinSet;
use tracing::{Instrument, info, info_span};

/// What `group` is called in metrics and logs.
pub const NAME: &str = "quotes";

const MOST_FLIGHTS: usize = 4;

pub type Quotes = TryGroup<String, u32, Outage, Tokio>;

/// The exchange does not answer.
#[derive(Debug)]
pub struct Outage;

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the exchange does not answer")
    }
}

impl std::error::Error for Outage {}

/// The group, watched by two observers.
pub fn quotes() -> Quotes {
    Group::builder()
        .runtime(Tokio::current())
        .name(NAME)
        .timeout(Duration::from_millis(50))
        .linger(Duration::from_millis(500))
        .max_flights(MOST_FLIGHTS)
        .on_failure(OnFailure::Retry { limit: 1 })
        .observer(Metrics::new(NAME))
        .observer(Tracing::new())
        .show_keys(|stock: &String, f| f.write_str(stock)) // which stocks people ask for is no secret
        .build()
}

/// A day's work.
pub async fn day(quotes: &Quotes) {
    opening(quotes).await;
    outage(quotes).await;
    bug(quotes).await;
    nobody_answers(quotes).await;
    halt(quotes).await;
    clients_hang_up(quotes).await;
    slow_connection(quotes).await;
    negotiated_prices(quotes).await;
    panic_selling(quotes).await;
    quotes.forget_all();
}

/// Many clients want the same quote; those who come later get the one that lingers.
async fn opening(quotes: &Quotes) {
    let mut clients = JoinSet::new();
    for client in 0..40 {
        let quotes = quotes.clone();
        let request = async move { quotes.call().traced().try_spawn("ACME", || exchange(10)).await };
        clients.spawn(request.instrument(info_span!("request", client)));
    }
    clients.join_all().await;
    let late = quotes.call().traced().try_run("ACME", || exchange(11)).await;
    info!(price = ?late.ok(), "a late client");
}

/// The first client's work fails, the next one's, too, and that is that.
async fn outage(quotes: &Quotes) {
    let fails = || async {
        tokio::task::yield_now().await;
        Err(Outage)
    };
    let first = waits(quotes.call().traced().try_run("DOWN", fails)).await;
    let second = waits(quotes.call().traced().try_run("DOWN", fails)).await;
    let third = waits(quotes.call().traced().try_run("DOWN", fails)).await;
    let _ = tokio::join!(first, second, third);
}

/// A work panics, once; the clients that wait for it get an error.
async fn bug(quotes: &Quotes) {
    let quotes = quotes.clone();
    let client = tokio::spawn(async move {
        quotes.call().traced().try_run("NULL", || async { panic!("a bug in the service, on purpose") }).await
    });
    let _ = client.await;
}

async fn nobody_answers(quotes: &Quotes) {
    let client = quotes.call().traced().try_spawn("VOID", pending).await;
    info!(error = client.err().map(|error| error.to_string()), "the client is told");
}

/// Trading is halted while clients wait for a quote.
async fn halt(quotes: &Quotes) {
    let client = waits(quotes.call().traced().try_relay("HALT", pending)).await;
    quotes.cancel("HALT");
    let _ = client.await;
}

/// A client that leads hangs up, and another takes over; a client that is alone hangs up, and there is nobody left.
async fn clients_hang_up(quotes: &Quotes) {
    let leader = waits(quotes.call().traced().try_run("GONE", pending)).await;
    let follower = waits(quotes.call().traced().try_run("GONE", || exchange(12))).await;
    drop(leader);
    let _ = follower.await;
    drop(waits(quotes.call().traced().try_run("LOST", pending)).await);
}

/// One client's work hangs, so another one starts its own beside it.
async fn slow_connection(quotes: &Quotes) {
    let call = || quotes.call().overtake_after(Duration::from_millis(5)).traced();
    let slow = waits(call().try_run("SLOW", pending)).await;
    let quick = call().try_run("SLOW", || exchange(13));
    let _ = tokio::join!(slow, quick);
}

/// A price that is each client's own cannot be shared.
async fn negotiated_prices(quotes: &Quotes) {
    let Entry::Leader(leader) = quotes.enter("DEAL") else { return };
    let first = waits(quotes.call().traced().try_run("DEAL", || exchange(14))).await;
    let second = waits(quotes.call().traced().try_run("DEAL", || exchange(15))).await;
    let _ = leader.release();
    let _ = tokio::join!(first, second);
}

/// More stocks than may be asked for at a time.
async fn panic_selling(quotes: &Quotes) {
    let stocks: Vec<_> = (0..=MOST_FLIGHTS).map(|stock| format!("SELL{stock}")).collect();
    let mut waiting = Vec::new();
    for stock in &stocks {
        let mut call = Box::pin(quotes.call().traced().try_run(stock, pending));
        match poll_once(&mut call).await {
            None => waiting.push(call),
            Some(Err(TryError::Flight(error))) => info!(%error, "a client is turned away"),
            Some(_) => {}
        }
    }
}

/// What it is all about.
async fn exchange(price: u32) -> Result<u32, Outage> {
    info!("asking the exchange");
    tokio::time::sleep(Duration::from_millis(2)).await;
    Ok(price)
}

/// Has the call asked, and still to wait.
async fn waits<F: Future>(call: F) -> Pin<Box<F>> {
    let mut call = Box::pin(call);
    let ready = poll_once(&mut call).await.is_some();
    assert!(!ready, "it is answered already");
    call
}
