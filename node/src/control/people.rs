//! What can be asked about people: who is logged in, and the users of a directory.
//!
//! ```text
//! POST /v1/login    LogIn        → WhoAmI      at the caller's seat
//! POST /v1/logout                → WhoAmI
//! GET  /v1/whoami                → WhoAmI
//! GET  /v1/users    ?local=true  → Users
//! POST /v1/users    ChangeUser   → UserChanged
//! ```

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use lanyard_protocol::control::{Caller, ChangeUser, Code, Command, Failure, ListUsers, LogIn};

use super::error::{ApiError, Input};
use super::routes::{Node, run};

/// The routes of people.
pub(super) fn routes() -> Router<Node> {
    Router::new()
        .route("/v1/login", post(log_in))
        .route("/v1/logout", post(log_out))
        .route("/v1/whoami", get(who_am_i))
        .route("/v1/users", get(users).post(change))
}

async fn log_in(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
    Input(log_in): Input<LogIn>,
) -> Result<Response, ApiError> {
    run(&node, caller, Command::LogIn(log_in)).await
}

async fn log_out(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    run(&node, caller, Command::LogOut).await
}

async fn who_am_i(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    run(&node, caller, Command::WhoAmI).await
}

async fn users(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
    list: Result<Query<ListUsers>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(list) = list.map_err(|error| {
        Failure::new(Code::Usage, error.body_text(), "ask for `/v1/users`, or for `/v1/users?local=true`")
    })?;
    run(&node, caller, Command::Users(list)).await
}

async fn change(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
    Input(change): Input<ChangeUser>,
) -> Result<Response, ApiError> {
    run(&node, caller, Command::ChangeUser(change)).await
}
