//! The flights that this process leads, by their names: to end one that its own callers cancel.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::{Lead, Name, Token};
use crate::lease::{Keeping, Status};

#[derive(Default)]
pub(crate) struct Leads(Mutex<HashMap<Name, (Token, Arc<Keeping>)>>);

impl Leads {
    fn leads(&self) -> MutexGuard<'_, HashMap<Name, (Token, Arc<Keeping>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, lead: &Lead, keeping: &Arc<Keeping>) {
        let replaced = self.leads().insert(lead.name.clone(), (lead.token, Arc::clone(keeping)));
        drop(replaced);
    }

    /// If it is still this one.
    pub(crate) fn remove(&self, name: &Name, keeping: &Arc<Keeping>) {
        let removed = {
            let mut leads = self.leads();
            match leads.get(name) {
                Some((_, there)) if Arc::ptr_eq(there, keeping) => leads.remove(name),
                _ => None,
            }
        };
        drop(removed);
    }

    /// Newcomers are to get another.
    pub(crate) fn forget(&self, name: &Name) {
        let forgotten = self.leads().remove(name);
        drop(forgotten);
    }

    /// Its work is not to go on, whoever waits elsewhere; if it is this flight, should that be known.
    pub(crate) fn end(&self, name: &Name, token: Option<Token>, ending: &[u8]) {
        let lead = self.leads().get(name).cloned();
        if let Some((_, keeping)) = lead.filter(|(led, _)| token.is_none_or(|token| token == *led)) {
            keeping.set(Status::Ended(ending.into()));
        }
    }
}
