//! One attribute: a hundred callers, one execution, in tasks and on threads.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use coflight::{TryError, coalesce};

static EXECUTIONS: AtomicUsize = AtomicUsize::new(0);

/// As if it asked a database. All callers with the same `id` at the same time share one execution; the error is shared as it is.
#[coalesce]
async fn user(id: u64) -> Result<String, TryError<std::io::Error>> {
    EXECUTIONS.fetch_add(1, Ordering::Relaxed);
    // Until all the others have come aboard.
    while user_flights().stats().waiting < 99 {
        tokio::task::yield_now().await;
    }
    Ok(format!("user {id}"))
}

/// The same for threads.
#[coalesce]
fn report(year: u32) -> String {
    EXECUTIONS.fetch_add(1, Ordering::Relaxed);
    while report_flights().stats().waiting < 99 {
        thread::yield_now();
    }
    format!("report of {year}")
}

#[tokio::main]
async fn main() -> Result<(), TryError<std::io::Error>> {
    let callers: Vec<_> = (0..100).map(|_| tokio::spawn(user(42))).collect();
    for caller in callers {
        assert_eq!(caller.await.expect("no panic")?, "user 42");
    }
    println!("async: 100 callers, {} execution", EXECUTIONS.swap(0, Ordering::Relaxed));

    let start = Barrier::new(100);
    thread::scope(|scope| {
        let callers: Vec<_> = (0..100)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    report(2026)
                })
            })
            .collect();
        assert!(callers.into_iter().all(|caller| caller.join().expect("no panic") == "report of 2026"));
    });
    println!("threads: 100 callers, {} execution", EXECUTIONS.load(Ordering::Relaxed));

    println!("\n{}", coflight::registry::overview());
    Ok(())
}
