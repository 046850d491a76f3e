//! Promise 1: one execution for a key in all processes.

use coflight::cluster::Place;
use coflight_tests::*;

use crate::common::*;

matrix!(
    callers_of_all_processes_share_one_execution,
    keys_do_not_touch,
    one_after_the_other_runs_again,
    threads_take_part
);

async fn callers_of_all_processes_share_one_execution(lab: Lab) {
    for by in VERBS {
        let engine = engine(&lab);
        let work = Job::default();
        let processes: Vec<Process<String>> = (0..3).map(|n| process(&lab, &engine, &format!("p{n}"))).collect();
        let callers: Vec<_> =
            (0..30).map(|n| lab.start(call(by, &processes[n % 3], KEY, work.value(format!("by {}", n % 3))))).collect();
        lab.until(|| processes.iter().all(|process| attended(process.cluster_stats()) == 1)).await;
        lab.until(|| processes.iter().map(|process| process.stats().calls()).sum::<u64>() == 30).await;
        lab.until(|| work.begun() == 1).await;
        work.gate.open();
        let mut answers = Vec::new();
        for caller in callers {
            answers.push(caller.await.returned());
        }
        assert_eq!(work.begun(), 1, "{by:?}");
        let (first, _) = answers[0].clone();
        let led: u64 = processes.iter().map(|process| process.cluster_stats().led).sum();
        assert_eq!(led, 1);
        for (n, (answer, served)) in answers.into_iter().enumerate() {
            assert_eq!(answer.unwrap(), *first.as_ref().unwrap());
            let trip = served.trip.unwrap();
            let here = processes[n % 3].cluster_stats().led == 1;
            assert_eq!(trip.place, if here { Place::Here } else { Place::Elsewhere });
            assert_eq!(format!("by {}", &trip.process[1..]), *first.as_ref().unwrap());
        }
    }
}

async fn keys_do_not_touch(lab: Lab) {
    let engine = engine(&lab);
    let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
    let (one, two) = (Job::default(), Job::default());
    let first = lab.start(call(By::Run, &a, "one", one.value(1)));
    let second = lab.start(call(By::Run, &b, "two", two.value(2)));
    lab.until(|| one.begun() + two.begun() == 2).await;
    two.gate.open();
    assert_eq!(second.await.returned().0.unwrap(), 2);
    one.gate.open();
    assert_eq!(first.await.returned().0.unwrap(), 1);
}

async fn one_after_the_other_runs_again(lab: Lab) {
    let engine = engine(&lab);
    let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
    for by in VERBS {
        let work = Job::default();
        work.gate.open();
        assert_eq!(lab.start(call(by, &a, KEY, work.value(1))).await.returned().0.unwrap(), 1);
        assert_eq!(lab.start(call(by, &b, KEY, work.value(2))).await.returned().0.unwrap(), 2);
        assert_eq!(work.begun(), 2, "what is over cannot be joined");
    }
}

async fn threads_take_part(lab: Lab) {
    let engine = engine(&lab);
    let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
    let (gate, led, works) = (Gate::new(), a.clone(), Latch::new(1));
    let blocking = {
        let (gate, works) = (gate.clone(), works.clone());
        lab.thread(move || {
            led.run_blocking(KEY, |_| {
                works.arrive();
                futures_lite::future::block_on(async {
                    gate.wait().await;
                    1
                })
            })
        })
    };
    works.wait().await;
    let follower = b.clone();
    let follower =
        lab.thread(move || follower.run_blocking(KEY, |_| unreachable!("a follower's work is never called")));
    lab.until(|| b.cluster_stats().followed == 1).await;
    // For longer than a lease: a closure that blocks its thread is at work, and its lease is renewed meanwhile.
    beats(&lab, &engine, 5, 2, None).await;
    gate.open();
    assert_eq!(blocking.await.returned().unwrap(), 1);
    assert_eq!(follower.await.returned().unwrap(), 1);
}
