//! The one subscription, through which the engine hears of changes.

use std::sync::Arc;
use std::time::Duration;

use coflight_cluster::Changes;
use futures_util::StreamExt;
use redis::aio::{PubSubSink, PubSubStream};
use redis::{Client, RedisResult};
use tokio::time::{sleep, timeout};

/// How long nothing needs to be heard before it is asked whether the server is still there.
const SILENCE: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

pub(crate) struct Subscription {
    pub(crate) client: Client,
    pub(crate) channel: String,
    /// Of all keys. What follows is a flight's name, in braces.
    pub(crate) prefix: String,
    pub(crate) changes: Changes,
    pub(crate) limit: Duration,
}

impl Subscription {
    /// For ever.
    pub(crate) async fn listen(self: Arc<Self>) {
        let mut pause = FIRST_PAUSE;
        loop {
            if let Ok(Ok((sink, stream))) = timeout(self.limit, self.subscribe()).await {
                pause = FIRST_PAUSE;
                // Until now it was deaf.
                self.changes.ring_all();
                self.hear(sink, stream).await;
            }
            sleep(pause).await;
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }

    async fn subscribe(&self) -> RedisResult<(PubSubSink, PubSubStream)> {
        let mut subscriber = self.client.get_async_pubsub().await?;
        subscriber.subscribe(&self.channel).await?;
        Ok(subscriber.split())
    }

    /// Until the connection breaks.
    async fn hear(&self, mut sink: PubSubSink, mut stream: PubSubStream) {
        loop {
            match timeout(SILENCE, stream.next()).await {
                Ok(Some(message)) => self.tell(message.get_payload_bytes()),
                Ok(None) => return,
                Err(_) => {
                    let pong = timeout(self.limit, sink.ping::<redis::Value>()).await;
                    if !matches!(pong, Ok(Ok(_))) {
                        return;
                    }
                }
            }
        }
    }

    fn tell(&self, key: &[u8]) {
        // What is not one of this engine's keys was sent by something else.
        let name = std::str::from_utf8(key).ok().and_then(|key| key.strip_prefix(&*self.prefix)?.strip_suffix('}'));
        if let Some(name) = name {
            self.changes.ring(name);
        }
    }
}
