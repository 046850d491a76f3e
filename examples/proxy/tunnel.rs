//! Upgraded connections: bytes in both directions, until either side ends.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

/// Joins both, as soon as both are there.
pub(crate) fn join(client: OnUpgrade, upstream: OnUpgrade) {
    tokio::spawn(async move {
        let (Ok(client), Ok(upstream)) = (client.await, upstream.await) else { return };
        let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
        // Whichever side breaks off, the other is closed by being dropped.
        let _ = copy_bidirectional(&mut client, &mut upstream).await;
    });
}
