//! A reverse proxy that coalesces: `cargo run --release --example proxy -- --upstream http://127.0.0.1:9000 --listen 127.0.0.1:8080`.

use std::process::ExitCode;

use coflight_proxy::{HELP, Options, Proxy};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args_os().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("error: {error} (--help lists what there is)");
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.to_string()),
    };
    runtime.block_on(run(options))
}

async fn run(options: Options) -> ExitCode {
    let (mut terminate, mut interrupt) = match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
        (Err(error), _) | (_, Err(error)) => return failed(&error.to_string()),
    };
    let grace = options.grace;
    let proxy = match Proxy::start(options).await {
        Ok(proxy) => proxy,
        Err(error) => return failed(&error),
    };
    eprintln!("listening on http://{}; the board is at http://{0}{1}/board", proxy.address(), proxy.admin());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    eprintln!("no new connections; those there are have {} s to finish", grace.as_secs());
    let left = proxy.shut_down().await;
    if left > 0 {
        eprintln!("{left} connections were cut off");
    }
    ExitCode::SUCCESS
}

fn failed(error: &str) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}
