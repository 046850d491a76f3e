//! The processes, as the one that starts them sees them. They end with it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command as Program, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::protocol::{Command, Event};

/// One process.
pub struct Process {
    name: String,
    child: Child,
    input: ChildStdin,
    events: Receiver<Event>,
    /// What it told and nobody asked for yet.
    told: Vec<Event>,
}

/// How processes are started.
#[derive(Clone, Debug)]
pub struct Start<'a> {
    /// The program, and what comes before its flags.
    pub program: &'a Path,
    /// Such as `worker`, if the program is something else as well.
    pub first: &'a [&'a str],
    /// Where they meet.
    pub redis: &'a str,
    /// How long their leases are.
    pub lease: Duration,
    /// How long a flight may take.
    pub timeout: Duration,
}

impl Start<'_> {
    /// Starts one, and waits until it takes commands.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub fn start(&self, name: &str) -> Result<Process, String> {
        let failed = |error| format!("cannot start {}: {error}", self.program.display());
        let mut child = Program::new(self.program)
            .args(self.first)
            .args(["--redis", self.redis, "--name", name])
            .args(["--lease-ms", &self.lease.as_millis().to_string()])
            .args(["--timeout-ms", &self.timeout.as_millis().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both were asked for")
        };
        let (sender, events) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let Ok(event) = serde_json::from_str(&line) else { continue };
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        let mut process = Process { name: name.to_owned(), child, input, events, told: Vec::new() };
        process.wait("ready", Duration::from_secs(30), |event| (*event == Event::Ready).then_some(()))?;
        Ok(process)
    }
}

impl Process {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells it what to do.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn tell(&mut self, command: &Command) -> Result<(), String> {
        let line = serde_json::to_string(command).map_err(|error| error.to_string())?;
        writeln!(self.input, "{line}").map_err(|error| format!("{} has ended: {error}", self.name))
    }

    /// Waits until it tells something of which `wanted` makes something.
    ///
    /// # Errors
    ///
    /// If it does not tell that in time, or ends.
    pub fn wait<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut wanted: impl FnMut(&Event) -> Option<T>,
    ) -> Result<T, String> {
        for at in 0..self.told.len() {
            if let Some(found) = wanted(&self.told[at]) {
                self.told.remove(at);
                return Ok(found);
            }
        }
        let until = Instant::now() + limit;
        loop {
            match self.events.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(event) => match wanted(&event) {
                    Some(found) => return Ok(found),
                    None => self.told.push(event),
                },
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("{} does not say that it is {what} within {limit:?}", self.name));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(format!("{} has ended, instead of being {what}", self.name));
                }
            }
        }
    }

    /// All that it has told so far and nobody waited for, of which `wanted` makes something.
    pub fn told<T>(&mut self, mut wanted: impl FnMut(&Event) -> Option<T>) -> Vec<T> {
        self.told.extend(self.events.try_iter());
        let mut found = Vec::new();
        self.told.retain(|event| match wanted(event) {
            Some(event) => {
                found.push(event);
                false
            }
            None => true,
        });
        found
    }

    /// Ends it at once, with nothing in order: `SIGKILL`.
    pub fn kill(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Stops it: it does nothing any more, until it [goes on](Self::resume).
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// It goes on, without having noticed.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        // One that was not waited for still has its number.
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Process").field("name", &self.name).finish_non_exhaustive()
    }
}
