//! What a review tried to break, on a real server: each test is one of its scenarios. In real time, so with limits that a loaded machine keeps.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use coflight_blocking::{Threads, wait, wait_timeout};
use coflight_cluster::{Cluster, Lease, Place};
use coflight_redis::Redis;
use coflight_redis_server::RedisServer;

type Flights = Cluster<String, u64, Redis, Threads>;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn group(engine: &Redis, lease: u64) -> Flights {
    Cluster::builder("test", engine.clone(), Threads::new()).lease(ms(lease)).build()
}

fn engine(server: &RedisServer) -> Redis {
    Redis::open(server.url()).expect("an engine")
}

fn place(group: &Flights, key: &str) -> Place {
    let (value, served) = wait(group.run(key, |_| async { 1 }).with_served());
    value.expect("a value");
    served.trip.expect("it is from somewhere").place
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what}");
        sleep(ms(5));
    }
}

/// What was asked while the server was paused, and is done when it goes on, is given up by whoever asked.
#[test]
fn a_pause_strands_nobody() {
    let server = RedisServer::start();
    let (a, b) = (group(&engine(&server), 30_000), group(&engine(&server), 30_000));
    assert_eq!((place(&a, "first"), place(&b, "first")), (Place::Here, Place::Here));
    server.pause();
    assert_eq!(place(&a, "key"), Place::Alone);
    server.resume();
    let began = Instant::now();
    assert_eq!(wait(b.run("key", |_| async { 2 })).expect("a value"), 2);
    assert!(began.elapsed() < Duration::from_secs(15), "nobody led for {:?}", began.elapsed());
}

/// The address leads to another primary, and the old one, now a replica, keeps its connections: as a sentinel or a cloud does it.
#[test]
fn a_failover_is_noticed() {
    let (old, new) = (RedisServer::start(), RedisServer::start());
    let target = Arc::new(AtomicU16::new(old.port()));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its number").port();
    let to = target.clone();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect(("127.0.0.1", to.load(Ordering::SeqCst))) else { continue };
            let copies = [(client.try_clone(), server.try_clone()), (Ok(server), Ok(client))];
            for (from, to) in copies {
                let (Ok(mut from), Ok(mut to)) = (from, to) else { continue };
                thread::spawn(move || {
                    // It ends when one of them does.
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Both);
                });
            }
        }
    });
    let a = group(&Redis::open(format!("redis://127.0.0.1:{port}/")).expect("an engine"), 1_000);
    assert_eq!(place(&a, "before"), Place::Here);
    target.store(new.port(), Ordering::SeqCst);
    let _: String = old.command(&format!("REPLICAOF 127.0.0.1 {}", new.port()));
    let mut at = 0;
    until("it goes to the new one", || {
        at += 1;
        place(&a, &format!("after {at}")) == Place::Here
    });
}

/// A key that holds something else is no outage, and no panic.
#[test]
fn a_key_that_holds_something_else() {
    let server = RedisServer::start();
    let engine = engine(&server);
    let a: Flights = Cluster::builder("test", engine, Threads::new()).show_keys(String::clone).build();
    // Led by hand, so that the name can be seen.
    let leader = wait(a.enter("bad")).expect("it leads");
    let keys = server.keys();
    drop(leader);
    let name = keys.iter().find(|key| key.ends_with('}')).expect("the key of the name");
    until("it is given up", || {
        let _: i64 = server.command(&format!("DEL {name}"));
        server.command::<i64>(&format!("LPUSH {name} x")) == 1
    });
    assert_eq!(place(&a, "bad"), Place::Alone);
    assert_eq!(place(&a, "good"), Place::Here);
    assert_eq!(a.cluster_stats().engine_down, 0);
}

/// With its last handle, in whatever state the server is.
#[test]
fn an_engine_ends_with_its_last_handle() {
    let server = RedisServer::start();
    for _ in 0..3 {
        let a = group(&engine(&server), 600);
        assert_eq!(place(&a, "x"), Place::Here);
        server.pause();
        assert_eq!(place(&a, "y"), Place::Alone);
        drop(a);
        server.resume();
    }
    until("connections end", || server.command::<String>("CLIENT LIST").lines().count() == 1);
}

struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Many threads, all verbs, callers that leave, and connections that break: never two works for a key, and nothing is left.
#[test]
fn a_storm() {
    let server = RedisServer::start();
    let running: Arc<[Arc<AtomicUsize>; 3]> = Arc::default();
    let most = Arc::new(AtomicUsize::new(0));
    let over = Instant::now() + Duration::from_secs(2);
    let mut threads = Vec::new();
    for process in 0..4 {
        let flights: Cluster<u64, u64, _, _> =
            Cluster::builder("storm", engine(&server), Threads::new()).lease(ms(3_000)).patience(ms(10_000)).build();
        for caller in 0..3 {
            let (flights, running, most) = (flights.clone(), running.clone(), most.clone());
            threads.push(thread::spawn(move || {
                let mut state: u64 = process * 10 + caller + 1;
                let mut random = move |below: u64| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    state % below
                };
                while Instant::now() < over {
                    let key = random(3);
                    let (now, most) = (running[key as usize].clone(), most.clone());
                    let takes = ms(random(12));
                    let work = move |_: Lease| async move {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        let _running = Running(now);
                        coflight_core::Timer::sleep(&Threads::new(), takes).await;
                        key
                    };
                    let limit = if random(2) == 0 { ms(random(15)) } else { Duration::from_secs(30) };
                    let answer = match random(3) {
                        0 => wait_timeout(flights.run(&key, work), limit),
                        1 => wait_timeout(flights.relay(&key, work), limit),
                        _ => wait_timeout(flights.spawn(&key, work), limit),
                    };
                    match answer {
                        Some(value) => assert_eq!(value.expect("a value"), key),
                        None => assert!(limit < Duration::from_secs(30), "somebody hangs"),
                    }
                }
            }));
        }
    }
    let mut kind = ["normal", "pubsub"].into_iter().cycle();
    while Instant::now() < over {
        sleep(ms(150));
        server.kill_connections(kind.next().expect("it goes round"));
    }
    for thread in threads {
        thread.join().expect("no panic");
    }
    assert_eq!(most.load(Ordering::SeqCst), 1, "works at a time");
    until("nothing runs, and nothing is left", || {
        running.iter().all(|running| running.load(Ordering::SeqCst) == 0) && server.keys().is_empty()
    });
}
