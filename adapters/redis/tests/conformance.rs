//! Redis keeps the promises of an engine.

use coflight_redis::Redis;
use coflight_redis_server::RedisServer;

/// With a server for each test, which ends with the test's thread.
fn engine() -> Redis {
    thread_local! {
        static SERVER: RedisServer = RedisServer::start();
    }
    SERVER.with(|server| Redis::open(server.url()).expect("an engine"))
}

coflight_cluster::conformance_tests!(engine());
