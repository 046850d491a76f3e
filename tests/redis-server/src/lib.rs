//! A redis-server for a test: on loopback, without persistence, stopped when it is dropped.
//!
//! Everything here panics when it fails, because then the test has.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread;

use redis::{Client, Connection};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A server that this process started.
pub struct RedisServer {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl RedisServer {
    /// Starts one, and waits until it accepts connections.
    ///
    /// # Panics
    ///
    /// As [`try_start`](Self::try_start) fails.
    #[must_use]
    pub fn start() -> Self {
        Self::try_start().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts one, and waits until it accepts connections.
    ///
    /// # Errors
    ///
    /// If `redis-server` is not installed. `ci/cluster.sh` installs it, and `ci/test.sh` leaves the tests out that need it.
    pub fn try_start() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| format!("no folder for a server: {error}"))?;
        for _ in 0..10 {
            // Somebody else may take the port before the server does; then it is tried again with another.
            let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
            let port = port.map_err(|error| format!("no port for a server: {error}"))?.port();
            if let Some(child) = launch(port, &folder)? {
                return Ok(Self { child, port, folder });
            }
        }
        Err("redis-server does not start".into())
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A connection of the test's own.
    ///
    /// # Panics
    ///
    /// If the server is not there, or paused.
    #[must_use]
    pub fn connection(&self) -> Connection {
        Client::open(self.url()).and_then(|client| client.get_connection()).expect("a connection")
    }

    /// Runs a command, with the name and arguments separated by spaces.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub fn command<T: redis::FromRedisValue>(&self, command: &str) -> T {
        let mut words = command.split(' ');
        let mut command = redis::cmd(words.next().unwrap_or_default());
        for word in words {
            command.arg(word);
        }
        command.query(&mut self.connection()).expect("the server to know the command")
    }

    /// All keys that are there.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.command("KEYS *")
    }

    /// Everything is gone.
    pub fn flush(&self) {
        let () = self.command("FLUSHALL");
    }

    /// Ends its clients' connections: those for commands (`normal`), or those that listen (`pubsub`).
    pub fn kill_connections(&self, kind: &str) {
        let _: i64 = self.command(&format!("CLIENT KILL TYPE {kind}"));
    }

    /// It does nothing any more, until it [goes on](Self::resume).
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// It goes on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// It ends at once, and everything is lost.
    pub fn kill(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// It ends, if it has not yet, and starts again at the same address.
    ///
    /// # Panics
    ///
    /// If the port was taken meanwhile.
    pub fn restart(&mut self) {
        self.kill();
        let launched = launch(self.port, &self.folder).expect("redis-server to be there still");
        self.child = launched.expect("redis-server to start again");
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("a process of ours to get a signal");
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

impl std::fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisServer").field("port", &self.port).finish_non_exhaustive()
    }
}

/// `None`: it ended at once, most likely because the port is taken.
fn launch(port: u16, folder: &TempDir) -> Result<Option<Child>, String> {
    let mut child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .args(["--daemonize", "no", "--dir"])
        .arg(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| {
            format!("redis-server cannot be started ({error}); on Debian: apt-get install redis-server")
        })?;
    let Some(output) = child.stdout.take() else { unreachable!("it was asked for") };
    let mut lines = BufReader::new(output).lines();
    let ready = lines.by_ref().map_while(Result::ok).any(|line| line.contains("eady to accept connections"));
    if ready {
        // What it says later must go somewhere.
        thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        return Ok(Some(child));
    }
    let _ = child.kill();
    let _ = child.wait();
    Ok(None)
}
