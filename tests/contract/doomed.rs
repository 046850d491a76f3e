//! A runtime that a test drives by hand, and can stop at any moment.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coflight::{Clock, Spawn, Timer};
use coflight_tests::*;

pub(crate) type Tasks = Vec<Pin<Box<dyn Future<Output = ()> + Send>>>;

/// Polls its tasks when told to, can be shut down, and keeps the test's time.
#[derive(Clone, Default)]
pub(crate) struct Doomed {
    pub(crate) tasks: Arc<Mutex<Tasks>>,
    pub(crate) time: VirtualTime,
    /// Called the next time the clock is read: what another thread does at that moment.
    pub(crate) meanwhile: Arc<Mutex<Option<Meanwhile>>>,
}

pub(crate) type Meanwhile = Box<dyn FnOnce() + Send>;

impl Spawn for Doomed {
    fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.lock().unwrap().push(Box::pin(task));
    }
}

impl Timer for Doomed {
    type Sleep = VirtualSleep;

    fn sleep(&self, duration: Duration) -> VirtualSleep {
        self.time.sleep(duration)
    }
}

impl Clock for Doomed {
    fn now(&self) -> Duration {
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        self.time.now()
    }
}

impl Doomed {
    pub(crate) fn poll_all(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap());
        tasks.retain_mut(|task| poll_now(task.as_mut()).is_pending());
        self.tasks.lock().unwrap().extend(tasks);
    }

    pub(crate) fn shut_down(&self) {
        drop(std::mem::take(&mut *self.tasks.lock().unwrap()));
    }
}
