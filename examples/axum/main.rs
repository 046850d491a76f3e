//! A web service whose database is asked once for all who ask meanwhile: `cargo run --release --example axum`, then
//! `curl http://127.0.0.1:3000/users/42` from many places at once, and http://127.0.0.1:3000/board in a browser.
//!
//! Two ways to the same: `/users/{id}` uses a group in its handler, `/report` the layer around it.

use std::hash::RandomState;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use coflight::board::Board;
use coflight::tower::{CoalesceLayer, FlightKey, KeyPolicy, TRACING_HEADERS};
use coflight::{Error, Group, Tokio, TryError, TryGroup};
use coflight_example_database::{Database, DatabaseError, User};

#[derive(Clone)]
struct App {
    database: Database,
    users: TryGroup<i64, User, DatabaseError, Tokio>,
}

/// What a handler can fail with, as a response.
struct Failure(TryError<DatabaseError>);

async fn user(State(app): State<App>, Path(id): Path<i64>) -> Result<Json<User>, Failure> {
    // Whoever comes first asks the database; whoever comes while it is busy with that gets the same answer.
    let user = app.users.try_run(&id, || app.database.user(id)).await.map_err(Failure)?;
    Ok(Json(user))
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = match &self.0 {
            TryError::Work(error) => match **error {
                DatabaseError::NotFound => StatusCode::NOT_FOUND,
                DatabaseError::Database(_) => StatusCode::INTERNAL_SERVER_ERROR,
            },
            TryError::Flight(Error::TimedOut) => StatusCode::GATEWAY_TIMEOUT,
            TryError::Flight(Error::Full) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status.is_server_error() {
            eprintln!("{}", self.0);
        }
        (status, format!("{}\n", status.canonical_reason().unwrap_or("error"))).into_response()
    }
}

/// Knows nothing of coalescing: the layer does that.
async fn report(State(app): State<App>) -> Result<String, Failure> {
    let mut posts = 0;
    for id in 1..=3 {
        let user = app.database.user(id).await.map_err(|error| Failure(TryError::Work(error.into())))?;
        posts += user.posts;
    }
    Ok(format!("{posts} posts of three users\n"))
}

async fn stats(State(app): State<App>) -> String {
    app.database.report()
}

fn router(database: Database, board: &Board) -> Router {
    let users = Group::builder()
        .runtime(Tokio::current())
        .name("users")
        .show_keys(|id, f| write!(f, "user {id}"))
        .timeout(Duration::from_secs(5))
        .max_flights(1000)
        .observer(board.observer())
        .build();
    let reports = Group::builder()
        .runtime(Tokio::current())
        // Clients choose the keys.
        .hasher(RandomState::new())
        .name("reports")
        .show_keys(FlightKey::show)
        .timeout(Duration::from_secs(30))
        .observer(board.observer())
        .build();
    let coalesce = CoalesceLayer::new(reports)
        .policy(KeyPolicy::new().ignore(TRACING_HEADERS))
        .header(HeaderName::from_static("x-coflight"))
        .answering_errors();
    Router::new()
        .route("/report", get(report).layer(coalesce))
        .route("/users/{id}", get(user))
        .route("/stats", get(stats))
        .with_state(App { database, users })
        .nest("/board", board.router())
}

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".into());
    let database = Database::connect().await?;
    let listener = tokio::net::TcpListener::bind(&address).await?;
    eprintln!("listening on http://{}, with {}", listener.local_addr()?, database.name());
    let app = router(database, &Board::new()).into_make_service_with_connect_info::<SocketAddr>();
    let interrupted = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    axum::serve(listener, app).with_graceful_shutdown(interrupted).await?;
    Ok(())
}
