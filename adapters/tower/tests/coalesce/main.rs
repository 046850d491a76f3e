//! What the layer promises, with an inner service in the hands of the test, on every runtime.

mod bodies;
mod errors;
mod found;
mod keyed;
mod limits;
mod memory;
mod origin;
mod passing;
mod raced;
mod readiness;
mod sharing;
mod storm;

use coflight_core::Group;
use coflight_tower::HttpGroup;

/// Makes a test of each async function for every runtime. The layer needs none, and must not mind any.
#[macro_export]
macro_rules! on_every_runtime {
    ($($test:ident),* $(,)?) => { $(
        mod $test {
            #[test]
            fn no_runtime() {
                futures_lite::future::block_on(super::$test());
            }

            #[test]
            fn smol() {
                smol::block_on(smol::spawn(super::$test()));
            }

            #[test]
            fn tokio_current_thread() {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                // Polls by hand must not use up the task's budget.
                runtime.block_on(tokio::task::unconstrained(super::$test()));
            }

            #[test]
            fn tokio_multi_thread() {
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
                runtime.block_on(runtime.spawn(tokio::task::unconstrained(super::$test()))).unwrap();
            }
        }
    )* };
}

/// Nothing is left behind.
fn assert_idle(group: &HttpGroup) {
    let stats = group.stats();
    assert!(group.is_empty(), "{stats:?}");
    assert_eq!((stats.in_flight, stats.waiting), (0, 0), "{stats:?}");
    assert_eq!(stats.ended(), stats.led, "{stats:?}");
}

fn group() -> HttpGroup {
    Group::builder().build()
}
