//! Plain functions, whose callers are threads.

use coflight::coalesce;
use coflight_tests::*;

use crate::probe::*;

matrix!(threads_share_an_execution, threads_and_tasks_share_one_group);

#[coalesce(skip(probe))]
fn report(year: u64, names: &[String], probe: &Probe) -> String {
    probe.block(format!("{year} {names:?}"))
}

async fn threads_share_an_execution(lab: Lab) {
    let (year, probe) = (unique(), Probe::default());
    let threads: Vec<_> = (0..10)
        .map(|_| {
            let probe = probe.clone();
            lab.thread(move || report(year, &["Ada".to_owned()], &probe))
        })
        .collect();
    lab.until(|| callers(report_flights(), &(year, vec!["Ada".to_owned()])) == 10).await;
    probe.open();
    for thread in threads {
        assert_eq!(thread.await.returned(), format!("{year} [\"Ada\"]"));
    }
    assert_eq!(probe.runs(), 1);
}

#[coalesce(group = flights, skip(flights, probe))]
fn by_thread(flights: coflight::Group<u64, u64>, id: u64, probe: Probe) -> u64 {
    probe.block(id)
}

#[coalesce(group = flights, skip(flights, probe))]
async fn by_task(flights: coflight::Group<u64, u64>, id: u64, probe: Probe) -> u64 {
    probe.work(id).await
}

async fn threads_and_tasks_share_one_group(lab: Lab) {
    let (flights, probe) = (coflight::Group::new(), Probe::default());
    let task = boarded(by_task(flights.clone(), 1, probe.clone()));
    let (group, thread) = (flights.clone(), probe.clone());
    let thread = lab.thread(move || by_thread(group, 1, thread));
    lab.until(|| callers(&flights, &1) == 2).await;
    probe.open();
    assert_eq!((lab.start(task).await.returned(), thread.await.returned(), probe.runs()), (1, 1, 1));
}

#[coalesce(skip(out))]
fn fill(id: u64, names: Vec<String>, out: &mut Vec<String>) -> usize {
    out.push(id.to_string());
    out.extend(names);
    out.len()
}

#[test]
fn a_body_may_borrow_and_use_up_its_arguments() {
    let (id, mut out) = (unique(), Vec::new());
    assert_eq!(fill(id, vec!["Ada".to_owned()], &mut out), 2);
    assert_eq!(out, [id.to_string(), "Ada".to_owned()]);
}
