//! The flights that this process leads, by their names: to end one that its own callers cancel.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::Name;
use crate::keeping::Keeping;

#[derive(Default)]
pub(crate) struct Leads(Mutex<HashMap<Name, Arc<Keeping>>>);

impl Leads {
    fn leads(&self) -> MutexGuard<'_, HashMap<Name, Arc<Keeping>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, name: &Name, keeping: &Arc<Keeping>) {
        let replaced = self.leads().insert(name.clone(), Arc::clone(keeping));
        drop(replaced);
    }

    /// If it is still this one.
    pub(crate) fn remove(&self, name: &Name, keeping: &Arc<Keeping>) {
        let removed = {
            let mut leads = self.leads();
            match leads.get(name) {
                Some(there) if Arc::ptr_eq(there, keeping) => leads.remove(name),
                _ => None,
            }
        };
        drop(removed);
    }

    /// Newcomers are to get another. Returns which it is, to be [told](Self::forgotten) when the engine knows.
    pub(crate) fn forget(&self, name: &Name) -> Option<Arc<Keeping>> {
        let keeping = self.leads().get(name).cloned()?;
        keeping.forget();
        Some(keeping)
    }

    /// Newcomers get another already, and who cancels from then on does not mean this one.
    pub(crate) fn forgotten(&self, name: &Name, keeping: &Arc<Keeping>) {
        keeping.forget();
        self.remove(name, keeping);
    }

    /// Its work is not to go on, whoever waits elsewhere, and whether the engine heard of that or not.
    pub(crate) fn end(&self, name: &Name, ending: &[u8]) {
        let keeping = self.leads().get(name).cloned();
        if let Some(keeping) = keeping {
            keeping.end(ending);
        }
    }
}
