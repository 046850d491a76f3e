//! Bugs that were found, which need something to happen meanwhile.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use coflight_core::{Event, EventKind, Group, OnFailure};
use coflight_tower::{BoxError, CoalesceLayer, CoalescedBody, Error, FlightKey, HttpGroup};
use futures_lite::future::{block_on, poll_once};
use http::Response;
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty};
use tower::{Layer, Service, service_fn};

use crate::origin::*;

/// A panic of its task was taken for the request's, for which nobody but its own client is to pay.
#[tokio::test]
async fn a_leader_whose_task_panics_beside_the_request_stops_nobody() {
    for has_head in [false, true] {
        let group: HttpGroup = Group::new();
        let (service, mut arrivals, _origin) = Origin::behind(&CoalesceLayer::new(group.clone()));
        let mut leader = asked(&service, get(&[])).await;
        let mut follower = asked(&service, get(&[])).await;
        let arrived = arrivals.next();
        let (held, feed): (Box<dyn Any>, _) = if has_head {
            let feed = arrived.answer(&[]);
            (Box::new(now(&mut leader).await), feed)
        } else {
            drop_unwinding(leader);
            (Box::new(()), arrived.answer(&[]))
        };
        drop_unwinding(held);
        feed.data("some");
        assert_eq!(data(&mut now(&mut follower).await).await.unwrap(), "some", "{has_head}");
    }
}

fn drop_unwinding<T>(held: T) {
    let dropped = catch_unwind(AssertUnwindSafe(move || {
        let _held = held;
        panic!("beside the request")
    }));
    assert!(dropped.is_err());
}

/// Whoever was to try again and was quick got the failure, and was handed what was over by then.
#[tokio::test]
async fn whoever_is_to_try_again_does_although_it_is_quick() {
    let quick = Arc::new(Mutex::new(None::<Asking>));
    let group: HttpGroup = {
        let quick = Arc::clone(&quick);
        let polls = move |event: &Event<'_, FlightKey>| {
            if event.kind() == EventKind::Retried {
                let mut asking = quick.lock().unwrap().take().unwrap();
                // On another thread, as one that waits within the request would wait for itself.
                let polled = std::thread::spawn(move || {
                    assert!(block_on(poll_once(&mut asking)).is_none(), "it got the failure");
                    asking
                });
                *quick.lock().unwrap() = Some(polled.join().unwrap());
            }
        };
        Group::builder().on_failure(OnFailure::Retry { limit: 1 }).observer(polls).build()
    };
    let (service, mut arrivals, origin) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let mut leader = asked(&service, get(&[])).await;
    *quick.lock().unwrap() = Some(asked(&service, get(&[])).await);
    arrivals.next().fail("no route");
    assert!(leader.as_mut().await.is_err());
    let mut quick = quick.lock().unwrap().take().unwrap();
    assert!(poll_once(&mut quick).await.is_none());
    assert_eq!(origin.requests(), 2, "it tries with its own request");
    let feed = arrivals.next().answer(&[]);
    feed.data("some");
    assert_eq!(data(&mut now(&mut quick).await).await.unwrap(), "some");
}

/// A newcomer that came while the request was polled, behind a flight that was cancelled meanwhile, was not told when it could begin.
#[tokio::test]
async fn a_newcomer_is_told_although_it_came_while_the_request_was_polled() {
    /// Does this when it is polled, once, and then has a frame.
    struct Meanwhile(Option<Box<dyn FnOnce() + Send>>);

    impl Body for Meanwhile {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            let Some(meanwhile) = self.0.take() else { return Poll::Pending };
            meanwhile();
            Poll::Ready(Some(Ok(Frame::data("some".into()))))
        }
    }

    #[derive(Default)]
    struct Told(AtomicBool);

    impl Wake for Told {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    type Newcomer = Pin<Box<dyn Future<Output = Result<Response<CoalescedBody<Meanwhile>>, Error>> + Send>>;

    let group: HttpGroup = Group::new();
    let bodies = Arc::new(Mutex::new(Vec::<Meanwhile>::new()));
    let requests = {
        let bodies = Arc::clone(&bodies);
        service_fn(move |_: http::Request<Empty<Bytes>>| {
            let body = bodies.lock().unwrap().pop().unwrap_or(Meanwhile(None));
            async { Ok::<_, BoxError>(Response::new(body)) }
        })
    };
    let service = CoalesceLayer::new(group.clone()).layer(requests);
    let told = Arc::new(Told::default());
    let newcomer = Arc::new(Mutex::new(None::<Newcomer>));
    let comes = {
        let (group, service, told, newcomer) =
            (group.clone(), service.clone(), Arc::clone(&told), Arc::clone(&newcomer));
        move || {
            let comes = std::thread::spawn(move || {
                group.cancel_all();
                let mut asking: Newcomer = Box::pin(service.clone().call(get(&[])));
                assert!(asking.as_mut().poll(&mut Context::from_waker(&Waker::from(told))).is_pending());
                *newcomer.lock().unwrap() = Some(asking);
            });
            comes.join().unwrap();
        }
    };
    bodies.lock().unwrap().push(Meanwhile(Some(Box::new(comes))));
    let mut led = service.clone().call(get(&[])).await.unwrap();
    assert!(led.body_mut().frame().await.unwrap().is_ok());
    // Its client does not read on.
    assert!(told.0.load(Ordering::SeqCst), "it waits for a client that does not read");
    let newcomer = newcomer.lock().unwrap().take().unwrap();
    assert!(newcomer.await.is_ok());
}
