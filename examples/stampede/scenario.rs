//! The scenarios: which backend is stampeded, by whom, and what came of it.

use std::sync::Arc;
use std::time::Duration;

use coflight::Tokio;
use tempfile::TempDir;

use crate::api::Api;
use crate::args::{Args, Run, Scenario};
use crate::ask::Callers;
use crate::backend::Backend;
use crate::cache::Cached;
use crate::crowd::{self, Outcome};
use crate::database::{CONNECTIONS, Database, ROWS};
use crate::http;
use crate::progress::Progress;
use crate::report::Report;

/// What all runs share.
pub struct World<'a> {
    args: &'a Args,
    database: Arc<Database>,
    cost: Duration,
    tokio: tokio::runtime::Runtime,
    /// Holds the database's file, and is removed with the world. The database cannot own it: the last task to let go of
    /// that may do so after the program's end.
    _folder: TempDir,
}

impl<'a> World<'a> {
    pub fn new(args: &'a Args) -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("stampede-").tempdir();
        let folder = folder.map_err(|error| format!("cannot make a folder for the database: {error}"))?;
        let database = Database::new(folder.path()).map_err(|failure| failure.to_string())?;
        let cost = database.cost().map_err(|failure| failure.to_string())?;
        let tokio = tokio::runtime::Runtime::new().map_err(|error| format!("cannot start tokio: {error}"))?;
        Ok(Self { args, database: Arc::new(database), cost, tokio, _folder: folder })
    }

    pub fn introduction(&self) -> String {
        let cost = self.cost.as_secs_f64() * 1e3;
        format!("One query looks at {ROWS} rows and takes {cost:.0} ms alone. {CONNECTIONS} may run at a time.")
    }

    pub fn run(&self, run: Run, progress: &Progress) -> Result<Report, String> {
        let database = &self.database;
        match run.scenario {
            Scenario::Database => self.crowd(run, database, progress),
            Scenario::Stampede => {
                let shops = 0..self.args.keys as u32;
                let cached = Cached::expired(Arc::clone(database), shops, |shop| database.expected(shop));
                self.crowd(run, &Arc::new(cached), progress)
            }
            Scenario::RateLimit => self.crowd(run, &Arc::new(Api::new(Arc::clone(database))), progress),
            Scenario::Http => self.http(run, progress),
        }
    }

    fn crowd<B: Backend>(&self, run: Run, backend: &Arc<B>, progress: &Progress) -> Result<Report, String> {
        let count = self.args.requests(run.scenario);
        let before = backend.calls();
        let outcomes = crowd::measure(count, progress, |stand| {
            let (keys, coalesced, tokio) = (self.args.keys, run.coalesced, Tokio::new(self.tokio.handle().clone()));
            Callers { count, keys, coalesced, backend, stand, tokio }.send(run.runtime)
        })?;
        Ok(self.report(run, count, &outcomes, backend.calls() - before))
    }

    fn http(&self, run: Run, progress: &Progress) -> Result<Report, String> {
        let requests = self.args.requests(run.scenario);
        let before = self.database.calls();
        let server = self.tokio.block_on(http::Server::start(Arc::clone(&self.database), run.coalesced))?;
        let connections = http::SOCKETS.min(requests);
        let outcomes = crowd::measure(connections, progress, |stand| {
            self.tokio.block_on(http::connect(&server, connections, requests, self.args.keys, stand))
        })?;
        Ok(self.report(run, requests, &outcomes, self.database.calls() - before))
    }

    fn report(&self, run: Run, requests: usize, outcomes: &[Outcome], backend_calls: usize) -> Report {
        Report::new(run, requests, outcomes, |shop| self.database.expected(shop), backend_calls)
    }
}

impl Drop for World<'_> {
    fn drop(&mut self) {
        self.database.close();
    }
}
