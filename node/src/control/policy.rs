//! What can be asked about who may do what: all of it by the owner alone.

use axum::extract::{DefaultBodyLimit, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use lanyard_protocol::access::FILE_MAX;
use lanyard_protocol::control::{ApplyPolicy, Caller, Command, ExplainPolicy};

use super::error::{ApiError, Input};
use super::routes::{Node, run};

/// The longest body: a policy of [`FILE_MAX`] bytes, each of which may be escaped, and then some.
const MAX_BODY: usize = 4 * FILE_MAX;

/// The routes of policy.
pub(super) fn routes() -> Router<Node> {
    Router::new()
        .route("/v1/policy", get(policy).put(apply).layer(DefaultBodyLimit::max(MAX_BODY)))
        .route("/v1/policy/explain", post(explain))
}

async fn policy(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    run(&node, caller, Command::Policy).await
}

async fn apply(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
    Input(apply): Input<ApplyPolicy>,
) -> Result<Response, ApiError> {
    run(&node, caller, Command::ApplyPolicy(apply)).await
}

async fn explain(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
    Input(explain): Input<ExplainPolicy>,
) -> Result<Response, ApiError> {
    run(&node, caller, Command::ExplainPolicy(explain)).await
}
