//! Where actors run.

use std::future::Future;
use std::thread;

use coflight::{AsyncStd, Smol, Threads, Tokio};
use coflight_tests::AnyRuntime;
use futures_util::future::{AbortHandle, Abortable};
use tokio::runtime::{Builder, Handle, Runtime};

/// The runtimes that stay.
pub struct Places {
    tokio: Runtime,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    Tokio,
    Smol,
    AsyncStd,
    Thread,
}

pub const PLACES: [Place; 4] = [Place::Tokio, Place::Smol, Place::AsyncStd, Place::Thread];

/// An actor on its way.
pub enum Task {
    Tokio(tokio::task::JoinHandle<()>),
    Smol(smol::Task<()>),
    AsyncStd(async_std::task::JoinHandle<()>),
    Thread(AbortHandle),
}

pub fn tokio() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a tokio runtime")
}

impl Places {
    pub fn new() -> Self {
        Self { tokio: tokio() }
    }

    pub fn tokio(&self) -> &Handle {
        self.tokio.handle()
    }
}

impl Place {
    pub fn runtime(self, tokio: &Handle) -> AnyRuntime {
        match self {
            Self::Tokio => AnyRuntime::Tokio(Tokio::new(tokio.clone())),
            Self::Smol => AnyRuntime::Smol(Smol::global()),
            Self::AsyncStd => AnyRuntime::AsyncStd(AsyncStd::new()),
            Self::Thread => AnyRuntime::Threads(Threads::new()),
        }
    }

    pub fn start(self, tokio: &Handle, actor: impl Future<Output = ()> + Send + 'static) -> Task {
        match self {
            Self::Tokio => Task::Tokio(tokio.spawn(actor)),
            Self::Smol => Task::Smol(smol::spawn(actor)),
            Self::AsyncStd => Task::AsyncStd(async_std::task::spawn(actor)),
            Self::Thread => {
                let (abort, registration) = AbortHandle::new_pair();
                thread::spawn(|| coflight::blocking::wait(Abortable::new(actor, registration)));
                Task::Thread(abort)
            }
        }
    }
}

impl Task {
    /// The actor is dropped where it stands, by its runtime.
    pub fn abort(self) {
        match self {
            Self::Tokio(task) => task.abort(),
            Self::Smol(task) => drop(task),
            Self::AsyncStd(task) => _ = coflight::blocking::wait(task.cancel()),
            Self::Thread(abort) => abort.abort(),
        }
    }

    pub fn detach(self) {
        if let Self::Smol(task) = self {
            task.detach();
        }
    }
}
