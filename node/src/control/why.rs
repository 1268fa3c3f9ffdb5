//! Why a service can be used, or cannot. The engine walks as far as the ticket; the last link takes sockets.
//!
//! ```text
//! POST /v1/why               AskWhy                  → Walk
//! ```

use core::time::Duration;

use axum::extract::State;
use axum::routing::post;
use axum::{Extension, Json, Router, middleware};
use lanyard_protocol::control::{
    Answer, AskWhy, Caller, Code, Command, Failure, LinkName, Onward, Walk, Walked,
};
use lanyard_protocol::identity::ServiceName;

use super::error::{ApiError, Input};
use super::routes::in_time;
use crate::handle::Handle;
use crate::lane::{self, Probe, Services};

/// The route, which gives up after `patience`.
pub(crate) fn router(handle: Handle, services: Services, patience: Duration) -> Router {
    Router::new()
        .route("/v1/why", post(why))
        .with_state((handle, services))
        .layer(middleware::from_fn_with_state(patience, in_time))
}

async fn why(
    State((handle, services)): State<(Handle, Services)>,
    Extension(caller): Extension<Caller>,
    Input(ask): Input<AskWhy>,
) -> Result<Json<Walk>, ApiError> {
    let mut replaced = false;
    loop {
        let Walked { mut walk, next } = walk(&handle, caller, &ask).await?;
        match next {
            Onward::Nowhere => {}
            Onward::Service(service) => served(&handle, &services, &service, &mut walk).await?,
            Onward::Channel(actor) => match lane::probe(&handle, &actor, &ask.service).await {
                Probe::Opens(how) => walk.holds(LinkName::Channel, how),
                // As when the service is used: a ticket that the provider does not know any more is replaced once.
                Probe::NoTicket(_) if !replaced => {
                    replaced = true;
                    continue;
                }
                Probe::NoTicket(failure) | Probe::Shut(failure) => walk.fails(LinkName::Channel, failure),
            },
        }
        return Ok(Json(walk));
    }
}

async fn walk(handle: &Handle, caller: Caller, ask: &AskWhy) -> Result<Walked, Failure> {
    let answer = handle.command(caller, Command::Why(ask.clone())).await?;
    let Answer::Why(walked) = answer else {
        return Err(Failure::new(Code::Failed, format!("no answer to that: {answer:?}"), "report it"));
    };
    Ok(*walked)
}

/// Whether this node serves it, and where.
async fn served(
    handle: &Handle,
    services: &Services,
    service: &ServiceName,
    walk: &mut Walk,
) -> Result<(), Failure> {
    if !services.has(service) {
        let remedy = format!("offer it: `lanyard expose {service} …`");
        let failure = Failure::new(Code::NotFound, format!("{service} is not served here"), remedy);
        walk.fails(LinkName::Channel, failure);
        return Ok(());
    }
    let lane = handle.listening().await?.lane;
    let lane = lane.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let lane =
        if lane.is_empty() { "nowhere: channels run on streams".to_owned() } else { format!("at {lane}") };
    walk.holds(LinkName::Channel, format!("{service} is served here; the lane listens {lane}"));
    Ok(())
}
