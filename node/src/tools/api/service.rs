//! Exposed services in the local API.
//!
//! ```text
//! POST   /v1/services         Expose                  → Exposed
//! GET    /v1/services                                 → [Exposed]
//! DELETE /v1/services/{name}                          → Exposed, as it was
//! POST   /v1/forward          Forward                 → events: ForwardEvent; hanging up stops it
//! POST   /v1/get              FolderItem              → the file's bytes, as many as Content-Length says
//! POST   /v1/list             FolderItem              → Listing
//! ```
//!
//! A file that is cut, or is not what was sent, ends before its declared length: its last bytes come only when all of
//! it is verified.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, post};
use axum::{Extension, Json, Router};
use futures::stream::unfold;
use lanyard_protocol::control::{Caller, Code, Expose, Exposed, Failure, FolderItem, Forward, Listing};
use lanyard_protocol::identity::ServiceName;

use super::{events, received};
use crate::control::error::{ApiError, Input};
use crate::tools::{Tools, service};

pub(super) fn routes() -> Router<Tools> {
    Router::new()
        .route("/v1/services", post(expose).get(list))
        .route("/v1/services/{name}", delete(withdraw))
        .route("/v1/forward", post(forward))
        .route("/v1/get", post(get_file))
        .route("/v1/list", post(list_folder))
}

async fn expose(State(tools): State<Tools>, Input(wanted): Input<Expose>) -> Result<Json<Exposed>, ApiError> {
    Ok(Json(tools.exposures.expose(wanted).await?))
}

async fn list(State(tools): State<Tools>) -> Result<Json<Vec<Exposed>>, ApiError> {
    Ok(Json(tools.exposures.list().await?))
}

async fn withdraw(State(tools): State<Tools>, Path(name): Path<String>) -> Result<Json<Exposed>, ApiError> {
    let name = name.parse::<ServiceName>().map_err(|error| {
        Failure::new(Code::Usage, error.to_string(), "name one of those that `lanyard service list` lists")
    })?;
    Ok(Json(tools.exposures.withdraw(&name).await?))
}

async fn forward(
    State(tools): State<Tools>,
    Extension(caller): Extension<Caller>,
    Input(wanted): Input<Forward>,
) -> Result<Response, ApiError> {
    let actor = tools.handle.actor(caller).await?;
    Ok(events(received(tools.forwards.forward(actor, wanted).await?)))
}

async fn get_file(
    State(tools): State<Tools>,
    Extension(caller): Extension<Caller>,
    Input(item): Input<FolderItem>,
) -> Result<Response, ApiError> {
    let actor = tools.handle.actor(caller).await?;
    let service::Fetched { size, pieces } = service::get(&tools.handle, &tools.tasks, &actor, item).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, size.to_string()),
    ];
    let body = unfold(pieces, async |mut pieces| pieces.recv().await.map(|piece| (piece, pieces)));
    Ok((headers, Body::from_stream(body)).into_response())
}

async fn list_folder(
    State(tools): State<Tools>,
    Extension(caller): Extension<Caller>,
    Input(item): Input<FolderItem>,
) -> Result<Json<Listing>, ApiError> {
    let actor = tools.handle.actor(caller).await?;
    Ok(Json(service::list(&tools.handle, &actor, item).await?))
}
