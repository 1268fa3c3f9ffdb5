//! What can be asked, and the gate in front of it.

use core::time::Duration;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::Method;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use lanyard_protocol::control::{
    Answer, Caller, Code, Command, Failure, Init, InviteRequest, Join, PeerRef, Pending, Revoke, ServiceRef,
    Ticket,
};
use lanyard_protocol::identity::NetworkName;
use lanyard_protocol::people::Seat;
use serde::{Deserialize, Serialize};

use super::admission;
use super::error::{ApiError, Input};
use super::{people, policy};
use crate::handle::Handle;
use crate::tasks::Tasks;

/// The longest body of a request.
const MAX_BODY: usize = 64 * 1024;
/// The one thing that everybody may ask about the node.
const STATUS: &str = "/v1/status";

/// What the routes act on.
#[derive(Clone)]
pub(super) struct Node {
    handle: Handle,
    tasks: Tasks,
}

/// Every route: those of the engine and those of `tools`, behind one gate.
pub(crate) fn router(handle: Handle, tasks: Tasks, patience: Duration, tools: Router) -> Router {
    let node = Node { handle: handle.clone(), tasks };
    engine()
        .merge(admission::routes())
        .merge(people::routes())
        .merge(policy::routes())
        .with_state(node.clone())
        .layer(middleware::from_fn_with_state(patience, in_time))
        .merge(patient().with_state(node))
        .merge(tools)
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(handle, gate))
}

fn engine() -> Router<Node> {
    Router::new()
        .route(STATUS, get(status))
        .route("/v1/peers", get(peers))
        .route("/v1/init", post(init))
        .route("/v1/invites", post(invite))
        .route("/v1/ping", post(ping))
        .route("/v1/whois/{peer}", get(whois))
        .route("/v1/tickets", post(get_ticket).get(tickets))
        .route("/v1/tickets/{id}", get(ticket))
        .route("/v1/tickets/{id}/revoke", post(revoke_ticket))
        .route("/v1/certificates", get(certificates))
        .route("/v1/certificates/renew", post(renew))
        .route("/v1/down", post(down))
}

/// What takes as long as the caller wants.
fn patient() -> Router<Node> {
    // A join may wait for people.
    Router::new().route("/v1/revoke", post(revoke)).route("/v1/join", post(join))
}

/// Lets the owner pass; everyone else to the status and to logging in; and whoever has logged in to what people do. That
/// there is something else to ask for is nothing that they learn. A request of nobody is a stranger's.
async fn gate(
    State(handle): State<Handle>,
    named: Option<Extension<Result<Caller, Failure>>>,
    mut request: Request,
    next: Next,
) -> Response {
    let caller = match named.map_or(Ok(Caller::Other(Seat::NODE)), |Extension(named)| named) {
        Ok(caller) => caller,
        Err(failure) => return ApiError(failure).into_response(),
    };
    request.extensions_mut().insert(caller);
    let (method, path) = (request.method(), request.uri().path());
    let passes = caller.is_owner()
        || is_for_all(method, path)
        || is_for_people(method, path) && handle.actor(caller).await.is_ok();
    if passes {
        return next.run(request).await;
    }
    let remedy = "log in: `lanyard login USER`; or ask as the user that runs the node";
    ApiError(Failure::new(Code::Denied, "this node belongs to another user", remedy)).into_response()
}

fn is_for_all(method: &Method, path: &str) -> bool {
    matches!((method.as_str(), path), ("GET", STATUS | "/v1/whoami") | ("POST", "/v1/login" | "/v1/logout"))
}

/// What somebody may ask who has logged in and does not own the node. The engine decides each of them again.
fn is_for_people(method: &Method, path: &str) -> bool {
    let one_of = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| !rest.contains('/'));
    match method.as_str() {
        "GET" => {
            matches!(path, "/v1/peers" | "/v1/tickets" | "/v1/policy" | "/v1/users")
                || one_of("/v1/whois/")
                || one_of("/v1/tickets/")
        }
        "PUT" => path == "/v1/policy",
        "POST" => {
            matches!(
                path,
                "/v1/ping"
                    | "/v1/why"
                    | "/v1/tickets"
                    | "/v1/policy/explain"
                    | "/v1/users"
                    | "/v1/chat"
                    | "/v1/channels"
                    | "/v1/get"
                    | "/v1/list"
            ) || path
                .strip_suffix("/revoke")
                .is_some_and(|ticket| ticket.strip_prefix("/v1/tickets/").is_some_and(|id| !id.contains('/')))
        }
        _ => false,
    }
}

pub(super) async fn in_time(State(patience): State<Duration>, request: Request, next: Next) -> Response {
    tokio::time::timeout(patience, next.run(request)).await.unwrap_or_else(|_| {
        let message = format!("it took longer than {} s", patience.as_secs());
        ApiError(Failure::new(Code::Unreachable, message, "look at `lanyard status`, then try again"))
            .into_response()
    })
}

async fn unknown() -> ApiError {
    let remedy = "look into the manual of the local API for what can be asked";
    Failure::new(Code::NotFound, "there is no such request", remedy).into()
}

/// What the tools have waiting for a person.
#[derive(Clone)]
pub(crate) struct Waiting(Arc<dyn Fn() -> Vec<Pending> + Send + Sync>);

impl Waiting {
    /// What `list` gives, whenever the owner asks for the status.
    pub(crate) fn new(list: impl Fn() -> Vec<Pending> + Send + Sync + 'static) -> Self {
        Self(Arc::new(list))
    }
}

/// What a person should know of this process, beside what the engine says.
#[derive(Clone)]
pub(crate) struct Warnings(Arc<dyn Fn() -> Vec<String> + Send + Sync>);

impl Warnings {
    /// What `list` gives, whenever the owner asks for the status.
    pub(crate) fn new(list: impl Fn() -> Vec<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(list))
    }
}

/// What may be asked of a status.
#[derive(Deserialize)]
struct Asked {
    network: Option<NetworkName>,
}

async fn status(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
    waiting: Option<Extension<Waiting>>,
    warnings: Option<Extension<Warnings>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(Asked { network }) = asked.map_err(|error| {
        Failure::new(Code::Usage, error.body_text(), "name a network, as in `/v1/status?network=shop.lan`")
    })?;
    let command = network.map_or(Command::Status, Command::StatusIn);
    let mut answer = node.handle.command(caller, command).await?;
    if let (Caller::Owner(_), Answer::Status(status)) = (caller, &mut answer) {
        status.pending.extend(waiting.into_iter().flat_map(|Extension(waiting)| (waiting.0)()));
        status.warnings.extend(warnings.into_iter().flat_map(|Extension(warnings)| (warnings.0)()));
    }
    Ok(body(answer))
}

async fn peers(State(node): State<Node>, Extension(caller): Extension<Caller>) -> Result<Response, ApiError> {
    run(&node, caller, Command::Peers).await
}

async fn init(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
    Input(init): Input<Init>,
) -> Result<Response, ApiError> {
    run(&node, caller, Command::Init(init)).await
}

async fn join(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
    Input(join): Input<Join>,
) -> Result<Response, ApiError> {
    run(&node, caller, Command::Join(join)).await
}

async fn invite(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
    Input(invite): Input<InviteRequest>,
) -> Result<Response, ApiError> {
    run(&node, caller, Command::Invite(invite)).await
}

/// The body of a ping.
#[derive(Deserialize)]
struct Ping {
    peer: PeerRef,
}

async fn ping(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
    Input(Ping { peer }): Input<Ping>,
) -> Result<Response, ApiError> {
    run(&node, caller, Command::Ping(peer)).await
}

async fn whois(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
    Path(peer): Path<String>,
) -> Result<Response, ApiError> {
    let peer = peer.parse::<PeerRef>().map_err(|error| {
        Failure::new(Code::Usage, error.to_string(), "name a peer by its name or its id: `lanyard peers`")
    })?;
    run(&node, caller, Command::Whois(peer)).await
}

/// The body of a request for a ticket.
#[derive(Deserialize)]
struct Wanted {
    service: ServiceRef,
}

async fn get_ticket(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
    Input(Wanted { service }): Input<Wanted>,
) -> Result<Response, ApiError> {
    run(&node, caller, Command::GetTicket(service)).await
}

async fn tickets(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    run(&node, caller, Command::Tickets).await
}

async fn ticket(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Ticket>, ApiError> {
    let Answer::Tickets(known) = node.handle.command(caller, Command::Tickets).await? else {
        let remedy = "report this as a defect";
        return Err(Failure::new(Code::Failed, "the node answered another question", remedy).into());
    };
    let found = known.into_iter().find(|ticket| ticket.id == id).map(Json);
    found.ok_or_else(|| {
        let remedy = "list those that are: `lanyard ticket list`";
        Failure::new(Code::NotFound, "no such ticket is held, nor was minted here", remedy).into()
    })
}

async fn revoke_ticket(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    run(&node, caller, Command::RevokeTicket(id)).await
}

async fn certificates(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    run(&node, caller, Command::Certificates).await
}

async fn renew(State(node): State<Node>, Extension(caller): Extension<Caller>) -> Result<Response, ApiError> {
    run(&node, caller, Command::Renew).await
}

async fn revoke(
    State(node): State<Node>,
    Extension(caller): Extension<Caller>,
    Input(revoke): Input<Revoke>,
) -> Result<Response, ApiError> {
    run(&node, caller, Command::Revoke(revoke)).await
}

/// Answers, then stops: what is being answered is answered first.
async fn down(State(node): State<Node>) -> Response {
    node.tasks.stop();
    Json(serde_json::json!({})).into_response()
}

/// Has the engine do something, and passes on what it answers.
pub(super) async fn run(node: &Node, caller: Caller, command: Command) -> Result<Response, ApiError> {
    Ok(body(node.handle.command(caller, command).await?))
}

fn body(answer: Answer) -> Response {
    fn json(value: impl Serialize) -> Response {
        Json(value).into_response()
    }
    match answer {
        Answer::Initialised(initialised) => json(initialised),
        Answer::Joined(joined) => json(joined),
        Answer::Invite(invite) => json(invite),
        Answer::Status(status) => json(status),
        Answer::Peers(peers) => json(peers),
        Answer::Pong(pong) => json(pong),
        Answer::Peer(peer) => json(peer),
        Answer::Ticket(ticket) => json(ticket),
        Answer::Tickets(tickets) => json(tickets),
        Answer::TicketRevoked(revoked) => json(revoked),
        Answer::Certificates(certificates) => json(certificates),
        Answer::Revoked(report) => json(report),
        Answer::CertificateOf(certificate) => json(certificate),
        Answer::Admission(admission) => json(&admission),
        Answer::Guids(guids) => json(guids),
        Answer::Requests(requests) => json(requests),
        Answer::Decided(request) => json(request),
        Answer::Confirmed(pending) => json(&pending),
        Answer::WhoAmI(shown) => json(shown),
        Answer::Actor(actor) => json(actor.to_string()),
        Answer::Users(users) => json(users),
        Answer::UserChanged(changed) => json(changed),
        Answer::Policy(policy) => json(policy),
        Answer::Explained(explained) => json(explained),
        Answer::Why(walked) => json(walked.walk),
        Answer::Guests(guests) => json(guests),
    }
}
