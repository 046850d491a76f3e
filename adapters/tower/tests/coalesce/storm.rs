//! Many callers on threads, some of whom hang up anywhere, some of whom read slowly: whoever stays gets everything, and nothing is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use coflight_core::Group;
use coflight_tower::{Beyond, BoxError, CoalesceLayer, Error, HttpGroup};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody};
use tower::{Layer, Service, service_fn};

const KEYS: usize = 10;
const FRAMES: usize = 20;

/// What lives in the service.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(alive))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A sequence that looks like chance, the same in every run.
fn dice(mut state: u64) -> impl FnMut(usize) -> usize {
    move |sides| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % sides
    }
}

/// Gives way `times` times.
async fn pass(times: usize) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_stays_gets_everything() {
    let (group, alive, requests): (HttpGroup, Arc<AtomicUsize>, Arc<AtomicUsize>) =
        (Group::new(), Arc::default(), Arc::default());
    let inner = service_fn({
        let (alive, requests) = (Arc::clone(&alive), Arc::clone(&requests));
        move |request: Request<Empty<Bytes>>| {
            let (here, number) = (Alive::new(&alive), requests.fetch_add(1, Ordering::SeqCst));
            async move {
                let mut dice = dice(number as u64);
                pass(dice(20)).await;
                if dice(10) == 0 {
                    return Err("no route".into());
                }
                let breaks_off = dice(10) == 0;
                let path = request.uri().path().to_owned();
                let frames = futures_util::stream::unfold((0, dice, here), move |(frame, mut dice, here)| {
                    let path = path.clone();
                    async move {
                        pass(dice(3)).await;
                        let next: Result<_, BoxError> = match frame {
                            FRAMES => return None,
                            10 if breaks_off => Err("the upstream died".into()),
                            _ => Ok(Frame::data(Bytes::from(format!("{path} {number} {frame}\n")))),
                        };
                        Some((next, (frame + 1, dice, here)))
                    }
                });
                let mut response = Response::new(StreamBody::new(Box::pin(frames)));
                if number % 7 == 0 {
                    response.headers_mut().insert("cache-control", "private".parse().unwrap());
                }
                Ok::<_, BoxError>(response)
            }
        }
    });
    let service = CoalesceLayer::new(group.clone()).keep(1500).keep_in_all(8000).beyond(Beyond::CutOff).layer(inner);
    let counts: [Arc<AtomicUsize>; 4] = Default::default();
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..3000 {
        let (mut service, counts) = (service.clone(), counts.clone());
        callers.spawn(async move {
            let mut dice = dice(1_000_000 + caller);
            pass(dice(200)).await;
            let path = format!("/{}", dice(KEYS));
            let patience = dice(4) > 0;
            let call = service.call(Request::get(&path).body(Empty::new()).unwrap());
            let ask = async {
                let mut body = call.await?.into_body();
                let (mut number, mut frames) = (None, 0);
                while let Some(frame) = body.frame().await {
                    let text = frame?.into_data().unwrap();
                    let words: Vec<_> = std::str::from_utf8(&text).unwrap().split_whitespace().collect();
                    // One request's frames, all of them, in order.
                    assert_eq!((words[0], *number.get_or_insert(words[1].to_owned()) == words[1]), (&path[..], true));
                    assert_eq!(words[2], frames.to_string());
                    frames += 1;
                    pass(dice(4) / 3 * 5).await;
                }
                assert_eq!(frames, FRAMES);
                Ok::<_, Error>(())
            };
            let how = if patience {
                match ask.await {
                    Ok(()) => 0,
                    Err(Error::Lagged) => 1,
                    Err(Error::Service(_)) => 2,
                    Err(other) => panic!("{other:?}"),
                }
            } else {
                // Somewhere in the middle.
                tokio::select! { biased; () = pass(caller as usize % 40) => {} _ = ask => {} }
                3
            };
            counts[how].fetch_add(1, Ordering::SeqCst);
        });
    }
    let all = async {
        while let Some(caller) = callers.join_next().await {
            caller.unwrap();
        }
    };
    // It takes less than a second.
    let ended = tokio::time::timeout(Duration::from_secs(60), all).await;
    assert!(ended.is_ok(), "callers hang: {:?}", group.stats());
    let [whole, cut_off, failed, hung_up] = counts.map(|count| count.load(Ordering::SeqCst));
    println!("{whole} whole, {cut_off} cut off, {failed} failed, {hung_up} hung up, {:?}", group.stats());
    assert!(whole > 500 && hung_up > 500 && failed > 0, "{whole} {cut_off} {failed} {hung_up}");
    assert!(group.stats().joined > 0 && group.is_empty());
    let asked = requests.load(Ordering::SeqCst);
    assert!(asked < 3000, "{asked}");
    assert_eq!((alive.load(Ordering::SeqCst), service.kept()), (0, 0));
}
