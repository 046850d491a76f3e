//! Clients that read slowly, hang up, say nothing; an upstream that dies; the end.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::alone;
use crate::wire::*;

#[tokio::test]
async fn a_client_that_hangs_up_stops_nobody() {
    let _alone = alone().await;
    let mut upstream = Upstream::start().await;
    let proxy = proxy(upstream.address, |_| {}).await;
    for how in ["close", "reset", "half-close"] {
        let leader = Client::get(&proxy, "/").await;
        let mut arrived = upstream.next().await;
        let mut follower = Client::get(&proxy, "/").await;
        until(|| waiting() == 1).await;
        let kept = match how {
            "reset" => {
                #[allow(deprecated, reason = "a connection that is reset is what is tested")]
                leader.0.set_linger(Some(Duration::ZERO)).unwrap();
                drop(leader);
                None
            }
            // One that says it will send no more is taken for one that is gone: the two look the same.
            "half-close" => {
                let mut leader = leader;
                leader.0.shutdown().await.unwrap();
                Some(leader)
            }
            _ => {
                drop(leader);
                None
            }
        };
        until(|| waiting() == 0).await;
        arrived.send("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall of it").await;
        drop(arrived);
        assert_eq!(follower.head().await.lines().next(), Some("http/1.1 200 ok"), "{how}");
        assert_eq!(follower.chunk().await, "all of it", "{how}");
        assert_eq!(follower.chunk().await, "", "{how}");
        drop(kept);
        until(|| in_flight() == 0).await;
        assert!(upstream.is_idle());
    }
}

#[tokio::test]
async fn when_all_hang_up_so_does_the_proxy() {
    let _alone = alone().await;
    let mut upstream = Upstream::start().await;
    let proxy = proxy(upstream.address, |_| {}).await;
    for midway in [false, true] {
        let mut clients = waiting_for(&proxy, "/", 2).await;
        let mut arrived = upstream.next().await;
        if midway {
            arrived.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nsome\r\n").await;
            for client in &mut clients {
                client.head().await;
                assert_eq!(client.chunk().await, "some");
            }
        }
        drop(clients);
        let mut byte = [0];
        let closed = in_time(arrived.stream.read(&mut byte)).await;
        assert!(matches!(closed, Ok(0) | Err(_)), "{midway}");
        until(|| in_flight() == 0).await;
    }
}

#[tokio::test]
async fn an_upstream_that_dies_midway_is_no_end() {
    let _alone = alone().await;
    let mut upstream = Upstream::start().await;
    let proxy = proxy(upstream.address, |_| {}).await;
    for reset in [false, true] {
        let mut clients = waiting_for(&proxy, "/", 2).await;
        let mut arrived = upstream.next().await;
        arrived.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nsome\r\n").await;
        for client in &mut clients {
            client.head().await;
            assert_eq!(client.chunk().await, "some");
        }
        if reset {
            arrived.reset();
        } else {
            drop(arrived);
        }
        for client in &mut clients {
            // No last chunk, so nobody takes it for the whole.
            assert_eq!(client.rest().await, b"");
        }
        until(|| in_flight() == 0).await;
    }
}

#[tokio::test]
async fn a_slow_reader_is_cut_off_and_the_others_get_everything() {
    const TOTAL: usize = 64 << 20;
    let _alone = alone().await;
    let mut upstream = Upstream::start().await;
    let proxy = proxy(upstream.address, |options| options.keep_in_all = 16 << 20).await;
    let mut fast = Client::get(&proxy, "/large").await;
    let mut arrived = upstream.next().await;
    let mut slow = Client::get(&proxy, "/large").await;
    until(|| waiting() == 1).await;
    let sending = tokio::spawn(async move {
        arrived.send(&format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {TOTAL}\r\n\r\n")).await;
        let block = vec![b'x'; 1 << 16];
        for _ in 0..TOTAL / block.len() {
            arrived.stream.write_all(&block).await.unwrap();
        }
    });
    assert!(fast.head().await.contains(&format!("content-length: {TOTAL}")));
    let mut read = 0;
    let mut block = vec![0; 1 << 16];
    while read < TOTAL {
        let count = in_time(fast.0.read(&mut block)).await.unwrap();
        assert!(count > 0 && block[..count].iter().all(|&byte| byte == b'x'));
        read += count;
    }
    sending.await.unwrap();
    until(|| in_flight() == 0).await;
    // It has what its connection held, and then no more.
    slow.head().await;
    let rest = slow.rest().await;
    assert!(rest.len() < TOTAL / 2, "{}", rest.len());
}

#[tokio::test]
async fn a_client_that_reads_nothing_does_not_keep_its_connection_for_ever() {
    let _alone = alone().await;
    let mut upstream = Upstream::start().await;
    let proxy = proxy(upstream.address, |options| options.stall_timeout = Duration::from_millis(300)).await;
    let client = Client::get(&proxy, "/endless").await;
    let mut arrived = upstream.next().await;
    arrived.send("HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n").await;
    let block = vec![b'x'; 1 << 16];
    // As fast as it is taken; the proxy stops reading when nobody takes anything, and hangs up after a while.
    let ended = in_time(async {
        loop {
            if let Err(error) = arrived.stream.write_all(&block).await {
                return error;
            }
        }
    })
    .await;
    assert!(matches!(ended.kind(), std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe), "{ended}");
    until(|| in_flight() == 0).await;
    drop(client);
}

#[tokio::test]
async fn a_client_that_never_finishes_its_request_is_hung_up_on() {
    let _alone = alone().await;
    let upstream = Upstream::start().await;
    let proxy = proxy(upstream.address, |options| options.stall_timeout = Duration::from_millis(200)).await;
    let mut client = Client::connect(&proxy).await;
    client.send("GET / HTTP/1.1\r\nhost: a\r\nx-slow: ").await;
    let began = Instant::now();
    client.rest().await;
    assert!(began.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn connections_are_bounded() {
    let _alone = alone().await;
    let mut upstream = Upstream::start().await;
    let proxy = proxy(upstream.address, |options| options.max_connections = 2).await;
    let mut first = Client::get(&proxy, "/1").await;
    let arrived = upstream.next().await;
    let _second = Client::get(&proxy, "/2").await;
    let _kept = upstream.next().await;
    // It is connected, by the kernel, and not served.
    let mut third = Client::get(&proxy, "/3").await;
    let mut byte = [0];
    assert!(tokio::time::timeout(Duration::from_millis(200), third.0.read(&mut byte)).await.is_err());
    assert!(upstream.is_idle());
    arrived.answer("", "1").await;
    assert_eq!(first.response().await.1, "1");
    drop(first);
    upstream.next().await.answer("", "3").await;
    assert_eq!(third.response().await.1, "3");
}

#[tokio::test]
async fn the_end_is_graceful_and_bounded() {
    let _alone = alone().await;
    let mut upstream = Upstream::start().await;
    for finishes in [true, false] {
        let proxy = proxy(upstream.address, |options| {
            options.grace = if finishes { Duration::from_secs(20) } else { Duration::from_millis(100) };
        })
        .await;
        let address = proxy.address();
        // Idle, in the middle of a response, and waiting for one.
        let mut idle = Client::get(&proxy, "/idle").await;
        upstream.next().await.answer("", "").await;
        idle.response().await;
        let mut reading = Client::get(&proxy, "/reading").await;
        let mut arrived = upstream.next().await;
        arrived.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nsome\r\n").await;
        reading.head().await;
        let mut joined = Client::get(&proxy, "/reading").await;
        joined.head().await;
        let ending = tokio::spawn(proxy.shut_down());
        assert!(idle.rest().await.is_empty());
        until(|| std::net::TcpStream::connect(address).is_err()).await;
        if finishes {
            arrived.send("4\r\nmore\r\n0\r\n\r\n").await;
            for client in [&mut reading, &mut joined] {
                assert_eq!((client.chunk().await, client.chunk().await), ("some".into(), "more".into()));
                assert_eq!(client.chunk().await, "");
            }
        }
        let left = in_time(ending).await.unwrap();
        assert_eq!(left, if finishes { 0 } else { 2 });
        drop(arrived);
        until(|| in_flight() == 0).await;
    }
}
