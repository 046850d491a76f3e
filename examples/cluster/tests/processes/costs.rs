//! Promise 13 of docs/cluster.md, on a real server: what a call costs, in round trips, and beside the bare commands.

use std::time::{Duration, Instant};

use coflight::Tokio;
use coflight::cluster::Cluster;
use coflight::redis::Redis;
use coflight_redis_server::RedisServer;

use crate::common::LIMIT;

type Flights = Cluster<String, u64, Redis, Tokio>;

/// How many scripts the server has run.
fn scripts(server: &RedisServer) -> u64 {
    let stats: String = server.command("INFO commandstats");
    let calls = |name: &str| {
        let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")));
        line.and_then(|line| line.split(',').next()?.parse::<u64>().ok()).unwrap_or(0)
    };
    calls("evalsha")
}

fn groups(server: &RedisServer) -> [Flights; 2] {
    ["a", "b"].map(|name| {
        let engine = Redis::open(server.url()).expect("an engine");
        Cluster::builder("costs", engine, Tokio::current()).process(name).lease(LIMIT).build()
    })
}

/// A follower in another process asks twice, at most, and those beside it not at all; a leader asks twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_costs_at_most_two_round_trips() {
    let server = RedisServer::start();
    let [a, b] = groups(&server);
    // Whatever is done once: scripts are loaded, and the subscription is made.
    for group in [&a, &b] {
        for _ in 0..2 {
            group.run("first", |_| async { 0 }).await.expect("a value");
        }
    }
    while server.command::<(String, u64)>("PUBSUB NUMSUB coflight:changed").1 < 2 {
        tokio::task::yield_now().await;
    }
    for round in 0..20 {
        let key = format!("{round}");
        let before = scripts(&server);
        let (open, mut opened) = tokio::sync::watch::channel(false);
        let leads = async {
            a.run(&key, |_| async move {
                let _ = opened.wait_for(|open| *open).await;
                round
            })
            .await
        };
        let follows =
            async {
                while a.cluster_stats().led < 3 + round {
                    tokio::task::yield_now().await;
                }
                let callers = (0..10).map(|_| tokio::spawn({
                let (b, key) = (b.clone(), key.clone());
                async move { b.run(&key, |_| async { unreachable!("a follower's work is never called") }).await }
            }));
                let callers: Vec<_> = callers.collect();
                while b.cluster_stats().followed < 1 + round || b.stats().calls() < 2 + 10 * (round + 1) {
                    tokio::task::yield_now().await;
                }
                open.send_replace(true);
                for caller in callers {
                    assert_eq!(caller.await.expect("no panic").expect("a value"), round);
                }
            };
        let (led, ()) = tokio::join!(leads, follows);
        assert_eq!(led.expect("a value"), round);
        // In the first, the subscriptions may just have been made, upon which everyone looks.
        if round > 0 {
            assert_eq!(scripts(&server) - before, 4, "two by the leader, two by ten followers, in round {round}");
        }
    }
}

/// Prints what a leader costs beside `SET key value NX PX …` and `GET`, on one connection, one call after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_beside_the_bare_commands() {
    let server = RedisServer::start();
    let [a, _] = groups(&server);
    let client = redis::Client::open(server.url()).expect("a client");
    let mut bare = client.get_multiplexed_async_connection().await.expect("a connection");
    let mut ratios = Vec::new();
    let (mut led, mut commands) = (Duration::ZERO, Duration::ZERO);
    // By turns, so that what else the machine does falls on both.
    for turn in 0..30 {
        let began = Instant::now();
        for call in 0..100 {
            let key = format!("bare:{turn}:{call}");
            let set: bool = redis::cmd("SET")
                .arg(&key)
                .arg("value")
                .arg("NX")
                .arg("PX")
                .arg(60_000)
                .query_async(&mut bare)
                .await
                .expect("SET");
            let value: String = redis::cmd("GET").arg(&key).query_async(&mut bare).await.expect("GET");
            assert!(set && value == "value");
        }
        let bare_took = began.elapsed();
        let began = Instant::now();
        for call in 0..100 {
            let key = format!("{turn}:{call}");
            assert_eq!(a.run(&key, |_| async { call }).await.expect("a value"), call);
        }
        let led_took = began.elapsed();
        (led, commands) = (led + led_took, commands + bare_took);
        ratios.push(led_took.as_secs_f64() / bare_took.as_secs_f64());
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "leading: {:.1} µs a call; SET NX + GET: {:.1} µs; the ratio, the median of 30: {:.2}",
        led.as_secs_f64() * 1e6 / 3_000.0,
        commands.as_secs_f64() * 1e6 / 3_000.0,
        ratios[15],
    );
    assert!(ratios[15] < 10.0, "two round trips of scripts beside two of commands: {ratios:?}");
}
