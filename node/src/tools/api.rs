//! The tools in the local API. Who may ask was decided before it gets here.
//!
//! ```text
//! POST /v1/chat              ChatSend                → ChatSent
//! GET  /v1/chat              ?peer=&limit=           → [ChatLine]
//! GET  /v1/chat/events       ?peer=                  → events: ChatLine
//! POST /v1/send              SendFile                → events: TransferEvent; hanging up stops it
//! POST /v1/receive           Receive                 → events: TransferEvent; hanging up stops it
//! GET  /v1/offers                                    → [TransferEvent::Offer]
//! POST /v1/offers/{id}       Decide                  → nothing
//! POST /v1/channels          {"service"}             → 101, then the channel's bytes both ways
//! POST /v1/seal              HeaderToSeal            → SealedHeader
//! POST /v1/open              HeaderToOpen            → OpenedHeader
//! ```
//!
//! Events are server-sent events (WHATWG HTML, section 9.2) whose data is one line of JSON. A channel is asked
//! for with `Upgrade: lanyard-channel`; its end is the end of the channel, and its half-close goes through. What users
//! expose to each other stands in [`service`].

mod service;

use core::convert::Infallible;
use core::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest as _, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use futures::Stream;
use futures::stream::unfold;
use hyper_util::rt::TokioIo;
use lanyard_protocol::control::{
    Caller, ChatLine, ChatSend, ChatSent, Code, Decide, Failure, HeaderToOpen, HeaderToSeal, OpenedHeader,
    PeerRef, Receive, SealedHeader, SendFile, ServiceRef, TransferEvent,
};
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, mpsc};

use super::carry::{self, Tally};
use super::chat::LOG_MAX;
use super::{Tools, envelope};
use crate::channel::{AnyWire, Channel};
use crate::control::error::{ApiError, Input};
use crate::lane;

/// The protocol that a connection is upgraded to.
const UPGRADE: &str = "lanyard-channel";

/// How many lines of a conversation are told where nobody says how many.
const LOG_DEFAULT: usize = 100;

/// How often a stream without events shows that it is alive, so that one whose reader has gone ends.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

pub(super) fn router(tools: Tools) -> Router {
    Router::new()
        .route("/v1/chat", post(chat_send).get(chat_log))
        .route("/v1/chat/events", get(chat_events))
        .route("/v1/send", post(send))
        .route("/v1/receive", post(receive))
        .route("/v1/offers", get(offers))
        .route("/v1/offers/{id}", post(decide))
        .route("/v1/channels", post(channel))
        .route("/v1/seal", post(seal))
        .route("/v1/open", post(open))
        .merge(service::routes())
        .with_state(tools)
}

async fn chat_send(
    State(tools): State<Tools>,
    Extension(caller): Extension<Caller>,
    Input(message): Input<ChatSend>,
) -> Result<Json<ChatSent>, ApiError> {
    let actor = tools.handle.actor(caller).await?;
    Ok(Json(tools.chat.send(actor, message).await?))
}

/// Which lines of which conversation.
#[derive(Deserialize)]
struct Log {
    peer: PeerRef,
    limit: Option<usize>,
}

async fn chat_log(
    State(tools): State<Tools>,
    log: Result<Query<Log>, QueryRejection>,
) -> Result<Json<Vec<ChatLine>>, ApiError> {
    let Query(log) = log.map_err(|rejection| usage(&rejection))?;
    let limit = log.limit.unwrap_or(LOG_DEFAULT).min(LOG_MAX);
    Ok(Json(tools.chat.log(&log.peer, limit).await?))
}

/// The events of which conversation: of all if none is named.
#[derive(Deserialize)]
struct Listen {
    peer: Option<PeerRef>,
}

async fn chat_events(
    State(tools): State<Tools>,
    listen: Result<Query<Listen>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(Listen { peer }) = listen.map_err(|rejection| usage(&rejection))?;
    // Listening begins before the peer is looked up: nothing is missed in between.
    let heard = tools.chat.events();
    let peer = match peer {
        Some(peer) => Some(tools.chat.resolve(&peer).await?),
        None => None,
    };
    let lines = unfold((heard, tools), move |(mut heard, tools)| async move {
        loop {
            match tools.tasks.until_stopping(heard.recv()).await? {
                Ok(line) if peer.is_none_or(|peer| peer == line.peer) => {
                    return Some((line.line, (heard, tools)));
                }
                Ok(_) => {}
                // A reader who missed lines reads the conversation again.
                Err(broadcast::error::RecvError::Lagged(_) | broadcast::error::RecvError::Closed) => {
                    return None;
                }
            }
        }
    });
    Ok(events(lines))
}

async fn send(
    State(tools): State<Tools>,
    Extension(caller): Extension<Caller>,
    Input(request): Input<SendFile>,
) -> Result<Response, ApiError> {
    let actor = tools.handle.actor(caller).await?;
    Ok(events(received(tools.files.send(actor, request))))
}

async fn receive(State(tools): State<Tools>, Input(request): Input<Receive>) -> Result<Response, ApiError> {
    Ok(events(received(tools.files.receive(request).await?)))
}

async fn offers(State(tools): State<Tools>) -> Json<Vec<TransferEvent>> {
    Json(tools.files.offers())
}

async fn decide(
    State(tools): State<Tools>,
    Path(id): Path<String>,
    Input(decision): Input<Decide>,
) -> Result<StatusCode, ApiError> {
    tools.files.decide(&id, decision).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which service a channel is to.
#[derive(Deserialize)]
struct Open {
    service: ServiceRef,
}

async fn channel(
    State(tools): State<Tools>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    mut request: Request,
) -> Result<Response, ApiError> {
    if !headers
        .get(header::UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(UPGRADE.as_bytes()))
    {
        let message = "a channel takes over the connection";
        let remedy = format!("ask with the headers Connection: Upgrade and Upgrade: {UPGRADE}");
        return Err(Failure::new(Code::Usage, message, remedy).into());
    }
    let upgraded = hyper::upgrade::on(&mut request);
    let Input(Open { service }) = Input::from_request(request, &()).await?;
    let actor = tools.handle.actor(caller).await?;
    let dialled = lane::open(&tools.handle, &actor, &service).await?;
    let tasks = tools.tasks.clone();
    tools.tasks.spawn(async move {
        let Some(Ok(program)) = tasks.until_stopping(upgraded).await else { return };
        tasks.until_stopping(carry(TokioIo::new(program), dialled.channel)).await;
    });
    let headers = [
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static(UPGRADE)),
    ];
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

async fn seal(
    State(tools): State<Tools>,
    Input(wanted): Input<HeaderToSeal>,
) -> Result<Json<SealedHeader>, ApiError> {
    Ok(Json(envelope::seal_header(&tools.handle, wanted).await?))
}

async fn open(
    State(tools): State<Tools>,
    Input(wanted): Input<HeaderToOpen>,
) -> Result<Json<OpenedHeader>, ApiError> {
    Ok(Json(envelope::open_header(&tools.handle, &wanted)?))
}

/// Carries bytes both ways until both have ended, or one is cut.
async fn carry(program: TokioIo<hyper::upgrade::Upgraded>, channel: Channel<AnyWire>) {
    let (reader, writer) = tokio::io::split(program);
    if let Err(error) = carry::carry(reader, writer, channel, &Tally::default()).await {
        tracing::debug!(%error, "channel cut");
    }
}

/// What comes out of `events`, until whoever reads it goes away.
fn received<T: Send + 'static>(events: mpsc::Receiver<T>) -> impl Stream<Item = T> + Send + 'static {
    unfold(events, async |mut events| events.recv().await.map(|event| (event, events)))
}

/// A stream of server-sent events, each one line of JSON.
fn events<T: Serialize>(values: impl Stream<Item = T> + Send + 'static) -> Response {
    let events = futures::StreamExt::map(values, |value| {
        let event = Event::default().json_data(value).unwrap_or_else(|_| Event::default().comment("lost"));
        Ok::<_, Infallible>(event)
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

fn usage(rejection: &QueryRejection) -> ApiError {
    Failure::new(Code::Usage, rejection.body_text(), "name the peer: ?peer=NAME").into()
}
