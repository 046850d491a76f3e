//! The users of the example `axum` in actix-web, where there is no tower: the group is in the application's data, and all workers share it.
//! `cargo run --release --example actix`, then `curl http://127.0.0.1:3001/users/42` from many places at once.

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use actix_web::{App, HttpResponse, HttpServer, ResponseError, get};
use coflight::{Error, Group, Tokio, TryError, TryGroup};
use coflight_example_database::{Database, DatabaseError, User};

type Users = TryGroup<i64, User, DatabaseError, Tokio>;

/// What a handler can fail with, as a response.
#[derive(Debug)]
struct Failure(TryError<DatabaseError>);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        match &self.0 {
            TryError::Work(error) if matches!(**error, DatabaseError::NotFound) => StatusCode::NOT_FOUND,
            TryError::Flight(Error::TimedOut) => StatusCode::GATEWAY_TIMEOUT,
            TryError::Flight(Error::Full) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        if status.is_server_error() {
            eprintln!("{self}");
        }
        HttpResponse::build(status).body(format!("{}\n", status.canonical_reason().unwrap_or("error")))
    }
}

#[get("/users/{id}")]
async fn user(users: Data<Users>, database: Data<Database>, id: Path<i64>) -> Result<Json<User>, Failure> {
    let id = id.into_inner();
    // A leader's future runs on its own worker; its followers may be on any.
    let user = users.try_run(&id, || database.user(id)).await.map_err(Failure)?;
    Ok(Json(user))
}

#[get("/stats")]
async fn stats(database: Data<Database>) -> String {
    database.report()
}

#[actix_web::main]
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
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3001".into());
    let database = Database::connect().await?;
    let name = database.name();
    let users: Users = Group::builder()
        // Each worker has a runtime of its own: that of whoever asks keeps the time.
        .runtime(Tokio::ambient())
        .name("users")
        .timeout(Duration::from_secs(5))
        .max_flights(1000)
        .build();
    let (users, database) = (Data::new(users), Data::new(database));
    let server = HttpServer::new(move || {
        App::new().app_data(users.clone()).app_data(database.clone()).service(user).service(stats)
    })
    .bind(&address)?;
    for address in server.addrs() {
        eprintln!("listening on http://{address}, with {name}");
    }
    server.run().await?;
    Ok(())
}
