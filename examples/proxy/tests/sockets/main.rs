//! The proxy, with real connections on both sides. Tests that count flights share a registry, so they are run one process each (with
//! cargo-nextest), or one after the other.

mod admin;
mod connections;
mod messages;
mod upstreams;
mod wire;

/// One at a time in this process, because the registry is the process's own.
pub(crate) async fn alone() -> tokio::sync::MutexGuard<'static, ()> {
    static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    TURN.lock().await
}
