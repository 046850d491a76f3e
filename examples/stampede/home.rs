//! Where an async caller lives. coflight's adapters spawn and keep time; a caller here also needs to ask blocking questions.

use std::panic;

use coflight::{AsyncStd, Runtime, Smol, Tokio};

use crate::backend::Failure;
use crate::database::Rows;

/// A runtime for callers.
pub trait Home: Runtime {
    /// Asks a blocking question on a thread that may block, in the way this runtime has for it.
    fn unblock(
        &self,
        ask: impl FnOnce() -> Result<Rows, Failure> + Send + 'static,
    ) -> impl Future<Output = Result<Rows, Failure>> + Send;
}

impl Home for Tokio {
    async fn unblock(&self, ask: impl FnOnce() -> Result<Rows, Failure> + Send + 'static) -> Result<Rows, Failure> {
        match tokio::task::spawn_blocking(ask).await {
            Ok(answer) => answer,
            Err(lost) => match lost.try_into_panic() {
                Ok(payload) => panic::resume_unwind(payload),
                Err(lost) => Err(Failure::Lost(lost)),
            },
        }
    }
}

impl Home for Smol {
    async fn unblock(&self, ask: impl FnOnce() -> Result<Rows, Failure> + Send + 'static) -> Result<Rows, Failure> {
        smol::unblock(ask).await
    }
}

impl Home for AsyncStd {
    async fn unblock(&self, ask: impl FnOnce() -> Result<Rows, Failure> + Send + 'static) -> Result<Rows, Failure> {
        async_std::task::spawn_blocking(ask).await
    }
}
