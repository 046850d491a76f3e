//! The proxy, with real connections on both sides.

mod admin;
mod connections;
mod messages;
mod upstreams;
mod wire;

/// One at a time in this process, because the registry is the process's own.
pub(crate) async fn alone() -> tokio::sync::MutexGuard<'static, ()> {
    static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let turn = TURN.lock().await;
    // The proxies of the last test go with its runtime, a moment after the test.
    wire::until(|| coflight::registry::overview().groups.is_empty()).await;
    turn
}
