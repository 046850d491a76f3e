use coflight_core::*;
use futures_lite::future::{block_on, poll_once, yield_now, zip};
use std::pin::pin;

#[test]
fn sizes() {
    fn f(g: &Group<u64, u64>) {
        let r = g.run(&1, || async { 1 });
        println!("run {}", size_of_val(&r));
        let r = g.run(&1, || async {
            yield_now().await;
            1
        });
        println!("run yield {}", size_of_val(&r));
        let r = g.relay(&1, || async {
            yield_now().await;
            1
        });
        println!("relay {}", size_of_val(&r));
    }
    f(&Group::new());
}
#[test]
fn verbs() {
    let g: Group<u64, u64> = Group::new();
    block_on(async {
        assert_eq!(
            zip(
                g.run(&1, || async {
                    yield_now().await;
                    7
                }),
                g.run(&1, || async { panic!() })
            )
            .await,
            (Ok(7), Ok(7))
        );
        assert_eq!(
            zip(
                g.relay(&1, || async {
                    yield_now().await;
                    7
                }),
                g.run(&1, || async { panic!() })
            )
            .await,
            (Ok(7), Ok(7))
        );
        let mut a = Box::pin(g.relay(&1, || async {
            yield_now().await;
            yield_now().await;
            8
        }));
        assert!(poll_once(&mut a).await.is_none());
        let mut b = pin!(g.run(&1, || async { 3 }));
        assert!(poll_once(&mut b).await.is_none());

        drop(a);
        assert_eq!(b.await, Ok(8));
        let mut a = Box::pin(g.run(&1, || async {
            yield_now().await;
            yield_now().await;
            8
        }));
        assert!(poll_once(&mut a).await.is_none());
        let mut b = pin!(g.run(&1, || async { 3 }).with_served());
        assert!(poll_once(&mut b).await.is_none());
        drop(a);
        let (r, s) = b.await;
        assert_eq!(r, Ok(3));
        assert_eq!(s.role, Role::TookOver);
        let c = g.clone();
        assert_eq!(
            g.run(&5, || async move {
                c.run(&5, || async { 1 }).await.unwrap_err();
                9
            })
            .await,
            Ok(9)
        );
        assert!(g.is_empty());
        let mut a = Box::pin(g.run(&1, || std::future::pending()));
        assert!(poll_once(&mut a).await.is_none());
        assert!(g.cancel(&1));
        assert_eq!(a.await, Err(Error::Cancelled));
        assert!(g.is_empty());
    });
    assert_eq!(g.run_blocking(&3, || 4), Ok(4));
}
