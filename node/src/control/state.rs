//! The node's state in the local API. Who may ask was decided before it gets here.
//!
//! ```text
//! POST /v1/state/export      ExportState             → Exported
//! ```

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use lanyard_protocol::control::{Code, ExportState, Exported, Failure};

use super::error::{ApiError, Input};
use crate::ambient::Clock;
use crate::store::{Store, export};

pub(crate) fn router(store: Store, clock: Clock) -> Router {
    Router::new().route("/v1/state/export", post(export_state)).with_state((store, clock))
}

async fn export_state(
    State((store, clock)): State<(Store, Clock)>,
    Input(ExportState { path, passphrase }): Input<ExportState>,
) -> Result<Json<Exported>, ApiError> {
    if !path.is_absolute() {
        let message = format!("{} is no absolute path", path.display());
        return Err(Failure::new(Code::Usage, message, "name the file from the root on").into());
    }
    let now = clock.now();
    let work = move || export::export(&store, &path, passphrase.as_ref(), now);
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| {
        Failure::new(Code::Failed, format!("the export broke off: {error}"), "look into the node's log")
    })?;
    Ok(Json(done.map_err(|error| error.failure())?))
}
