//! Services that do not speak HTTP.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use coflight_core::{TryError, TryGroup};
use coflight_tower::KeyedLayer;
use futures_lite::future::poll_once;
use tokio::sync::watch;
use tower::{Layer, Service, service_fn};

use crate::on_every_runtime;

on_every_runtime!(
    calls_with_equal_keys_are_one,
    calls_without_a_key_pass,
    errors_are_shared_without_being_cloned,
    a_leader_that_leaves_stops_nobody,
);

/// Not `Clone`.
#[derive(Debug)]
struct Odd(u64);

type Calls = Vec<Pin<Box<dyn Future<Output = Result<String, TryError<Odd>>> + Send>>>;

/// Asks for each of `requests`, to be answered when the gate is opened.
async fn asked(requests: &[u64], key: fn(&u64) -> Option<u64>) -> (Calls, watch::Sender<bool>, Arc<AtomicUsize>) {
    let (gate, open) = watch::channel(false);
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let service = KeyedLayer::new(TryGroup::new(), key).layer(service_fn(move |request: u64| {
        let (mut open, number) = (open.clone(), counted.fetch_add(1, Ordering::SeqCst));
        async move {
            let _ = open.wait_for(|open| *open).await;
            if request % 2 == 1 { Err(Odd(request)) } else { Ok(format!("{request} by {number}")) }
        }
    }));
    let mut calls: Calls = Vec::new();
    for &request in requests {
        let mut call = service.clone().call(request);
        assert!(poll_once(&mut call).await.is_none());
        calls.push(call);
    }
    (calls, gate, count)
}

async fn calls_with_equal_keys_are_one() {
    let (calls, gate, count) = asked(&[2, 2, 4, 2], |&request| Some(request)).await;
    gate.send(true).unwrap();
    let mut got = Vec::new();
    for call in calls {
        got.push(call.await.unwrap());
    }
    assert_eq!(got, ["2 by 0", "2 by 0", "4 by 1", "2 by 0"]);
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

async fn calls_without_a_key_pass() {
    let (_calls, _gate, count) = asked(&[2, 2, 4], |&request| Some(request).filter(|request| *request > 2)).await;
    assert_eq!(count.load(Ordering::SeqCst), 3);
}

async fn errors_are_shared_without_being_cloned() {
    let (calls, gate, count) = asked(&[3, 3], |&request| Some(request)).await;
    gate.send(true).unwrap();
    for call in calls {
        assert!(matches!(call.await.unwrap_err().work(), Some(Odd(3))));
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

async fn a_leader_that_leaves_stops_nobody() {
    let (mut calls, gate, count) = asked(&[2, 2], |&request| Some(request)).await;
    drop(calls.remove(0));
    gate.send(true).unwrap();
    assert_eq!(calls.remove(0).await.unwrap(), "2 by 0");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}
