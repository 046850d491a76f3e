//! Promises 1, 2, 4, 5, 7 and 9 of docs/cluster.md, with real processes and a real server.

use std::collections::BTreeMap;
use std::time::Instant;

use coflight_example_cluster::protocol::{By, Command, Event};
use coflight_example_cluster::workers::Process;
use coflight_redis_server::RedisServer;

use crate::common::*;

/// 8 processes with 1,000 callers each, on 50 keys: 50 executions.
#[test]
fn eight_thousand_callers_and_fifty_executions() {
    let server = RedisServer::start();
    let url = server.url();
    let mut processes = processes(&url, 8);
    let (callers, keys) = (1_000, 50);
    for (round, by) in [(1, By::Run), (2, By::Spawn), (3, By::Run)] {
        board(&mut processes, round, callers, keys, by);
        open(&mut processes, round);
        let mut answers = BTreeMap::new();
        for process in &mut processes {
            let answered = answered(process, round);
            assert!(answered.errors.is_empty(), "{:?}", answered.errors);
            for answer in answered.answers {
                assert_eq!(answer.value.key, answer.key);
                assert_eq!(Some(answer.value.execution), answer.token, "the token is that of the work");
                *answers.entry((answer.key, answer.value.execution)).or_insert(0) += answer.callers;
            }
        }
        let executions: usize = processes.iter_mut().map(|process| begun(process, round).len()).sum();
        assert_eq!(executions, keys, "executions of round {round}");
        assert_eq!(answers.len(), keys, "one result for each key");
        assert!(answers.values().all(|&got| got == 8 * callers / keys), "{answers:?}");
    }
    nothing_left(&server);
}

/// The leader is killed in the middle.
#[test]
fn a_leader_that_is_killed_is_replaced_within_a_lease() {
    let server = RedisServer::start();
    let url = server.url();
    let mut processes = processes(&url, 3);
    for by in [By::Run, By::Spawn] {
        let round = 1 + by as u64;
        let mut leader = start(&url).start("leader").expect("a process");
        led_by(&mut leader, &mut processes, round, 10, by);
        let (_, first) = begins(&mut leader, round);
        leader.kill();
        let killed = Instant::now();
        let (_, (_, second)) = somebody_begins(&mut processes, round);
        assert!(killed.elapsed() < LEASE + LEASE / 3 + LEASE, "after {:?}", killed.elapsed());
        assert!(second > first, "{second:?} after {first:?}");
        open(&mut processes, round);
        for process in &mut processes {
            let answered = answered(process, round);
            assert!(answered.errors.is_empty() && answered.answers.len() == 1, "{:?}", answered.errors);
            // One that did not notice before the successor was done begins anew.
            assert!(answered.answers[0].token >= second, "{:?}", answered.answers);
            assert_eq!(answered.answers[0].callers, 10);
        }
    }
    nothing_left(&server);
}

/// The leader is stopped for longer than its lease, and goes on.
#[test]
fn a_leader_that_was_stopped_cannot_publish_over_its_successor() {
    let server = RedisServer::start();
    let url = server.url();
    let mut processes = processes(&url, 3);
    for by in [By::Run, By::Spawn] {
        let round = 1 + by as u64;
        let mut leader = start(&url).start("leader").expect("a process");
        led_by(&mut leader, &mut processes, round, 10, by);
        begins(&mut leader, round);
        leader.pause();
        let stopped = Instant::now();
        let (_, (_, second)) = somebody_begins(&mut processes, round);
        assert!(stopped.elapsed() < LEASE + LEASE / 3 + LEASE, "after {:?}", stopped.elapsed());
        // Its work may end the moment it goes on.
        leader.tell(&Command::Open { round }).expect("to tell it");
        leader.resume();
        open(&mut processes, round);
        for process in &mut processes {
            let answered = answered(process, round);
            assert!(answered.errors.is_empty() && answered.answers.len() == 1, "{:?}", answered.errors);
            assert!(
                answered.answers[0].token >= second,
                "those who follow get the successor's: {:?}",
                answered.answers
            );
        }
        // Its own callers get the successor's, or that of their own work. Only the one whose work was dropped for the successor's may have to ask again,
        // if that was done before it could be asked.
        let own = answered(&mut leader, round);
        let dropped: usize = own.errors.values().sum();
        assert!(dropped <= 1 && own.errors.keys().all(|error| error.ends_with("ask again")), "{:?}", own.errors);
        assert_eq!(own.answers.iter().map(|answer| answer.callers).sum::<usize>(), 10 - dropped);
        let answer = &own.answers[0];
        assert!(answer.value.process == "leader" || answer.token >= second, "{answer:?}");
    }
    nothing_left(&server);
}

/// With all its callers gone, a spawned work goes on for those of other processes, and only for as long as there are any.
#[test]
fn a_spawned_work_goes_on_for_others_and_ends_with_the_last() {
    let server = RedisServer::start();
    let url = server.url();
    let mut processes = processes(&url, 2);
    let round = 1;
    let (leader, others) = processes.split_at_mut(1);
    led_by(&mut leader[0], others, round, 5, By::Spawn);
    processes[0].tell(&Command::Leave { round }).expect("to tell it");
    // For longer than it would take for it to be dropped.
    std::thread::sleep(2 * LEASE);
    let dropped = |event: &Event| matches!(event, Event::Dropped { .. }).then_some(());
    assert!(processes[0].told(dropped).is_empty(), "it goes on");
    assert!(begun(&mut processes[1], round).is_empty(), "and nothing is restarted");
    let left = Instant::now();
    processes[1].tell(&Command::Leave { round }).expect("to tell it");
    processes[0].wait("without its work", LIMIT, dropped).expect("it is dropped");
    assert!(left.elapsed() < 2 * LEASE, "after {:?}", left.elapsed());
    nothing_left(&server);
}

/// All ask for one key, one process before the others.
fn led_by(leader: &mut Process, others: &mut [Process], round: u64, callers: usize, by: By) {
    board(std::slice::from_mut(leader), round, callers, 1, by);
    board(others, round, callers, 1, by);
}

/// Which process begins the work of a round, and with what token.
fn somebody_begins(processes: &mut [Process], round: u64) -> (usize, (String, Option<u64>)) {
    let began = Instant::now();
    loop {
        for (at, process) in processes.iter_mut().enumerate() {
            if let Some(begun) = begun(process, round).pop() {
                return (at, begun);
            }
        }
        assert!(began.elapsed() < LIMIT, "nobody takes over");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}
