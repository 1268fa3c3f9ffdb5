//! What can be asked about how strangers get in: all of it by the owner alone.

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{delete, get, post, put};
use axum::{Extension, Router};
use lanyard_protocol::control::{
    AddGuid, Admission, Caller, Code, Command, ConfirmJoin, Decision, Failure, Guid, SetPassword,
};
use serde::Deserialize;

use super::error::{ApiError, Input};
use super::routes::{Node, run};

/// The routes of admission.
pub(super) fn routes() -> Router<Node> {
    Router::new()
        .route("/v1/admission", get(admission).put(set_admission))
        .route("/v1/admission/password", put(set_password))
        .route("/v1/admission/guids", get(guids).post(add_guid))
        .route("/v1/admission/guids/{guid}", delete(remove_guid))
        .route("/v1/requests", get(requests))
        .route("/v1/requests/{id}", post(decide))
        .route("/v1/join/confirm", post(confirm_join))
}

async fn admission(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    run(&node, caller, Command::Admission).await
}

/// The body of a new rule.
#[derive(Deserialize)]
struct Rule {
    admission: Admission,
}

async fn set_admission(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
    Input(Rule { admission }): Input<Rule>,
) -> Result<Response, ApiError> {
    run(&node, caller, Command::SetAdmission(admission)).await
}

async fn set_password(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
    Input(set): Input<SetPassword>,
) -> Result<Response, ApiError> {
    run(&node, caller, Command::SetPassword(set)).await
}

async fn guids(State(node): State<Node>, Extension(caller): Extension<Caller>) -> Result<Response, ApiError> {
    run(&node, caller, Command::Guids).await
}

async fn add_guid(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
    Input(add): Input<AddGuid>,
) -> Result<Response, ApiError> {
    run(&node, caller, Command::AddGuid(add)).await
}

async fn remove_guid(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
    Path(guid): Path<String>,
) -> Result<Response, ApiError> {
    let guid = guid.parse::<Guid>().map_err(|error| {
        let remedy = "see which machines are on the list: `lanyard admission guid list`";
        Failure::new(Code::Usage, error.to_string(), remedy)
    })?;
    run(&node, caller, Command::RemoveGuid(guid)).await
}

async fn requests(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    run(&node, caller, Command::Requests).await
}

/// The body of a decision on a request.
#[derive(Deserialize)]
struct Verdict {
    approve: bool,
}

async fn decide(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Input(Verdict { approve }): Input<Verdict>,
) -> Result<Response, ApiError> {
    run(&node, caller, Command::Decide(Decision { id, approve })).await
}

async fn confirm_join(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
    Input(confirm): Input<ConfirmJoin>,
) -> Result<Response, ApiError> {
    run(&node, caller, Command::ConfirmJoin(confirm)).await
}
