//! What is not to be shared is not, and those who waited for it go alone at once.

use coflight_core::Group;
use coflight_tower::{CoalesceLayer, KeyPolicy, Part};
use http::header::USER_AGENT;

use crate::origin::*;
use crate::{assert_idle, group, on_every_runtime};

on_every_runtime!(
    a_response_for_one_is_the_leaders_and_the_others_go_alone_in_parallel,
    a_response_for_one_who_hung_up_is_nobodys,
    a_follower_that_took_over_goes_alone_too,
    a_leader_need_not_be_polled_to_release_the_others,
    callers_whose_varying_headers_differ_share_among_equals,
    the_header_says_how,
);

fn part(response: &Outgoing) -> Part {
    *response.extensions().get::<Part>().unwrap()
}

async fn a_response_for_one_is_the_leaders_and_the_others_go_alone_in_parallel() {
    for header in [("set-cookie", "a=b"), ("cache-control", "private"), ("cache-control", "no-store"), ("vary", "*")] {
        let group = group();
        let (service, mut arrivals, origin) = Origin::behind(&CoalesceLayer::new(group.clone()));
        let mut leader = asked(&service, get(&[])).await;
        let mut others = Vec::new();
        for _ in 0..3 {
            others.push(asked(&service, get(&[])).await);
        }
        let feed = arrivals.next().answer(&[header]);
        let mut led = now(&mut leader).await;
        assert_eq!((part(&led), led.headers().contains_key(header.0)), (Part::Led, true));
        // All at once, none behind another.
        for other in &mut others {
            assert!(futures_lite::future::poll_once(other).await.is_none());
        }
        assert_eq!(origin.requests(), 4);
        for (number, other) in others.iter_mut().enumerate() {
            let feed = arrivals.next().answer(&[header]);
            feed.data(number.to_string());
            feed.end();
            let mut response = now(other).await;
            assert_eq!(part(&response), Part::Alone);
            assert_eq!(text(&mut response).await, number.to_string());
        }
        feed.data("the leader's");
        feed.end();
        assert_eq!(text(&mut led).await, "the leader's");
        let stats = group.stats();
        assert_eq!((stats.released, stats.alone), (1, 3), "{header:?}");
        assert_eq!(service.kept(), 0);
        assert!(group.is_empty());
    }
}

async fn a_response_for_one_who_hung_up_is_nobodys() {
    let group = group();
    let (service, mut arrivals, origin) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let leader = asked(&service, get(&[])).await;
    let mut follower = asked(&service, get(&[])).await;
    drop(leader);
    let feed = arrivals.next().answer(&[("set-cookie", "the leader's")]);
    assert!(futures_lite::future::poll_once(&mut follower).await.is_none());
    assert!(feed.is_dropped());
    assert_eq!(origin.requests(), 2);
    let feed = arrivals.next().answer(&[("set-cookie", "its own")]);
    feed.end();
    let response = now(&mut follower).await;
    assert_eq!(response.headers()["set-cookie"], "its own");
    drop(response);
    assert!(group.is_empty());
}

async fn a_follower_that_took_over_goes_alone_too() {
    let group = group();
    let (service, mut arrivals, origin) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let leader = asked(&service, get(&[])).await;
    let mut first = asked(&service, get(&[])).await;
    let mut second = asked(&service, get(&[])).await;
    drop(leader);
    // It holds the duty when the head comes.
    assert!(futures_lite::future::poll_once(&mut first).await.is_none());
    let feed = arrivals.next().answer(&[("cache-control", "private")]);
    for follower in [&mut second, &mut first] {
        assert!(futures_lite::future::poll_once(follower).await.is_none());
    }
    assert!(feed.is_dropped());
    assert_eq!(origin.requests(), 3);
    for _ in 0..2 {
        arrivals.next().answer(&[("cache-control", "private")]).end();
    }
    for follower in [&mut first, &mut second] {
        assert!(text(&mut now(follower).await).await.is_empty());
    }
    assert!(group.is_empty());
}

async fn a_leader_need_not_be_polled_to_release_the_others() {
    let group = group();
    let (service, mut arrivals, origin) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let mut leader = asked(&service, get(&[])).await;
    let mut follower = asked(&service, get(&[])).await;
    let feed = arrivals.next().answer(&[("set-cookie", "a=b")]);
    assert!(futures_lite::future::poll_once(&mut follower).await.is_none());
    assert_eq!(origin.requests(), 2);
    // It still gets its own.
    assert_eq!(now(&mut leader).await.headers()["set-cookie"], "a=b");
    drop(feed);
}

async fn callers_whose_varying_headers_differ_share_among_equals() {
    let group = group();
    let layer = CoalesceLayer::new(group.clone()).policy(KeyPolicy::new().ignore([USER_AGENT]));
    let (service, mut arrivals, origin) = Origin::behind(&layer);
    let agents = ["cat", "dog", "cat", "dog", "cow", "dog"];
    let mut callers = Vec::new();
    for agent in agents {
        callers.push(asked(&service, get(&[("user-agent", agent)])).await);
    }
    assert_eq!(origin.requests(), 1);
    let feed = arrivals.next().answer(&[("vary", "user-agent")]);
    feed.data("for cat");
    feed.end();
    let mut got = Vec::new();
    for (caller, agent) in callers.iter_mut().zip(agents) {
        match futures_lite::future::poll_once(&mut *caller).await {
            Some(response) => assert_eq!((agent, text(&mut response.unwrap()).await), ("cat", "for cat".into())),
            None => got.push((caller, agent)),
        }
    }
    // One for the dogs, one for the cow.
    assert_eq!(origin.requests(), 3);
    for agent in ["dog", "cow"] {
        let arrived = arrivals.next();
        assert_eq!(arrived.request.headers["user-agent"], agent);
        let feed = arrived.answer(&[("vary", "user-agent")]);
        feed.data(format!("for {agent}"));
        feed.end();
    }
    for (caller, agent) in got {
        assert_eq!(text(&mut now(caller).await).await, format!("for {agent}"));
    }
    assert_idle(&group);
}

async fn the_header_says_how() {
    let layer = CoalesceLayer::new(Group::new()).header(http::HeaderName::from_static("x-coflight"));
    let (service, mut arrivals, _) = Origin::behind(&layer);
    let mut leader = asked(&service, get(&[])).await;
    let mut follower = asked(&service, get(&[])).await;
    let _feed = arrivals.next().answer(&[("x-coflight", "nonsense of the upstream")]);
    for (caller, how) in [(&mut leader, "led"), (&mut follower, "joined")] {
        let response = now(caller).await;
        assert_eq!(response.headers().get_all("x-coflight").iter().collect::<Vec<_>>(), [how]);
    }
}
