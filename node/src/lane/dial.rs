//! Opening a channel to a service of another node.

use core::time::Duration;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use lanyard_protocol::channel::{Binding, ChannelReject};
use lanyard_protocol::control::{Code, Failure, ServiceRef, Visit};
use lanyard_protocol::engine::ChannelGrant;
use lanyard_protocol::identity::{NodeId, NodeName};
use lanyard_protocol::people::Actor;
use lanyard_protocol::snapshot::Snapshot;
use tokio::net::TcpStream;

use crate::ambient;
use crate::channel::handshake::{OpenError, Requester};
use crate::channel::{AnyWire, Channel, Lease};
use crate::handle::Handle;
use crate::lane::Way;
use crate::swarm::Turn;

/// How long an address of a lane may take to answer. 1 second: a thousand round trips of a local network.
const LANE_PATIENCE: Duration = Duration::from_secs(1);

/// How long an address of a lane is tried before the next one is tried beside it. 100 ms: a hundred round trips.
const HEAD_START: Duration = Duration::from_millis(100);

/// How long to wait before a lane that was dropped without a word is tried again. 5 to 40 ms, 75 in all: what a busy
/// provider takes to get round to it, and hardly noticed where somebody else has the port.
const DROPPED_PAUSES: [Duration; 4] = [
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(40),
];

/// A channel that this node opened.
#[derive(Debug)]
pub struct Dialled {
    /// The channel.
    pub channel: Channel<AnyWire>,
    /// Who provides the service.
    pub peer: NodeId,
    /// The provider's name.
    pub name: NodeName,
    /// Which way it runs.
    pub way: Way,
}

/// Gets a ticket for `service` on behalf of `actor`, and opens a channel with it. A ticket that the provider does not know any more, or
/// that has just expired, is replaced once; one that was revoked is forgotten.
///
/// # Errors
/// What the user is told: denied, unreachable, unknown.
pub(crate) async fn open(handle: &Handle, actor: &Actor, service: &ServiceRef) -> Result<Dialled, Failure> {
    open_by(handle, Right::Actor(actor, service)).await
}

/// As [`open`], as a guest.
///
/// # Errors
/// As [`open`].
pub(crate) async fn visit(handle: &Handle, visit: &Visit) -> Result<Dialled, Failure> {
    open_by(handle, Right::Guest(visit)).await
}

/// By what right a service is used, and which.
#[derive(Clone, Copy)]
enum Right<'a> {
    Actor(&'a Actor, &'a ServiceRef),
    Guest(&'a Visit),
}

impl Right<'_> {
    /// Whether there may be another ticket in the place of one that was refused. A guest's is taken back also when the
    /// password was set anew to the same.
    const fn may_renew(self, error: &OpenError) -> bool {
        let revoked = matches!(error, OpenError::Refused(ChannelReject::Revoked));
        matches!(error, OpenError::NoTicket | OpenError::Refused(ChannelReject::Expired))
            || revoked && matches!(self, Self::Guest(_))
    }

    async fn ticket(self, handle: &Handle) -> Result<Box<ChannelGrant>, Failure> {
        match self {
            Self::Actor(actor, service) => handle.open(actor.clone(), service.clone()).await,
            Self::Guest(visit) => handle.visit(visit.clone()).await,
        }
    }
}

async fn open_by(handle: &Handle, right: Right<'_>) -> Result<Dialled, Failure> {
    let (Right::Actor(_, service) | Right::Guest(Visit { service, .. })) = right;
    let mut retried = false;
    loop {
        let grant = right.ticket(handle).await?;
        match connect(handle, &grant).await {
            Ok((channel, way)) => {
                let peer = grant.ticket.terms().provider;
                tracing::debug!(peer = %peer.short(), %service, ?way, "channel opened there");
                return Ok(Dialled { channel, peer, name: grant.provider, way });
            }
            Err(error) if !retried && right.may_renew(&error) => {
                retried = true;
                handle.no_ticket(grant.ticket.terms().id).await?;
            }
            Err(error) => {
                if matches!(error, OpenError::Refused(ChannelReject::Revoked)) {
                    // The user is told once. Whether there is another one is the provider's policy to say.
                    handle.no_ticket(grant.ticket.terms().id).await?;
                }
                return Err(failure(&error, service));
            }
        }
    }
}

type Reached = (Channel<AnyWire>, Way);

/// Opens the channel on the lane, or on a stream where the lane does not work; a lane that did not work a moment
/// ago comes last. One that waits for its turn first: a provider drops what is more than it takes unproven at a time.
async fn connect(handle: &Handle, grant: &ChannelGrant) -> Result<Reached, OpenError> {
    let (detour, provider) = (handle.detour(), grant.ticket.terms().provider);
    let turn = detour.streams().turn(provider).await?;
    let lane_last = detour.avoids(provider, ambient::monotonic());
    if !lane_last {
        match on_lane(handle, grant).await {
            Err(error) if is_no_word(&error) => {
                detour.avoid(provider, ambient::monotonic());
                return match on_stream(handle, grant, &turn).await {
                    // What is wrong is the lane, as long as the stream is no better.
                    Err(worse) if is_no_word(&worse) => Err(error),
                    decided => decided,
                };
            }
            decided => return decided,
        }
    }
    match on_stream(handle, grant, &turn).await {
        Err(error) if is_no_word(&error) => on_lane(handle, grant).await,
        decided => decided,
    }
}

/// Whether it was not the provider who said no: another way may lead to him.
pub(super) const fn is_no_word(error: &OpenError) -> bool {
    matches!(error, OpenError::Io(_) | OpenError::TimedOut | OpenError::Misbehaved(_))
}

async fn on_lane(handle: &Handle, grant: &ChannelGrant) -> Result<Reached, OpenError> {
    let (channel, _) = by_lane(grant, |stream| begin(handle, grant, stream)).await?;
    Ok((channel, Way::Lane))
}

async fn on_stream(handle: &Handle, grant: &ChannelGrant, turn: &Turn) -> Result<Reached, OpenError> {
    let channel = by_stream(handle, grant, turn, |stream| begin(handle, grant, stream)).await?;
    Ok((channel, Way::Stream))
}

/// Tries the provider's addresses; the first that is the provider decides. With what came of it comes the address.
pub(super) async fn by_lane<T, F: Future<Output = Result<T, OpenError>>>(
    grant: &ChannelGrant,
    begin: impl Fn(AnyWire) -> F,
) -> Result<(T, SocketAddr), OpenError> {
    let mut lanes = grant.lanes.clone();
    let mut last = OpenError::TimedOut;
    while !lanes.is_empty() {
        let (lane, stream) = match first_connected(&lanes).await {
            Ok(connected) => connected,
            Err(OpenError::TimedOut) if lanes.len() < grant.lanes.len() => return Err(last),
            Err(error) => return Err(error),
        };
        lanes.retain(|other| *other != lane);
        match begin_until_heard(&begin, lane, stream).await {
            Err(error) if is_no_word(&error) => {
                tracing::debug!(%lane, %error, "lane not usable");
                last = error;
            }
            decided => return decided.map(|begun| (begun, lane)),
        }
    }
    Err(last)
}

/// Begins on `stream`, and on another connection to `lane` each time that one is dropped without a word: the
/// provider may still have been about to find out who opened those before it.
async fn begin_until_heard<T, F: Future<Output = Result<T, OpenError>>>(
    begin: impl Fn(AnyWire) -> F,
    lane: SocketAddr,
    stream: TcpStream,
) -> Result<T, OpenError> {
    let mut begun = begin(Box::new(stream)).await;
    for pause in DROPPED_PAUSES {
        if !matches!(&begun, Err(OpenError::Io(_))) {
            break;
        }
        tokio::time::sleep(pause).await;
        let (_, stream) = first_connected(&[lane]).await?;
        begun = begin(Box::new(stream)).await;
    }
    begun
}

/// Connects to all of `lanes`, each a moment after the one before it, and takes the first that answers (the
/// happy eyeballs of RFC 8305).
async fn first_connected(lanes: &[SocketAddr]) -> Result<(SocketAddr, TcpStream), OpenError> {
    let mut attempts: FuturesUnordered<_> =
        (0..).zip(lanes).map(|(turn, lane)| attempt(turn, *lane)).collect();
    let mut last = OpenError::TimedOut;
    while let Some((lane, connected)) = attempts.next().await {
        match connected {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok((lane, stream));
            }
            Err(error) => {
                tracing::debug!(%lane, %error, "lane not reachable");
                last = error;
            }
        }
    }
    Err(last)
}

async fn attempt(turn: u32, lane: SocketAddr) -> (SocketAddr, Result<TcpStream, OpenError>) {
    tokio::time::sleep(HEAD_START * turn).await;
    let connected = tokio::time::timeout(LANE_PATIENCE, TcpStream::connect(lane)).await;
    (lane, connected.map_or(Err(OpenError::TimedOut), |connected| connected.map_err(OpenError::Io)))
}

/// Begins on a stream of a connection with the provider, which has proven its membership there.
pub(super) async fn by_stream<T, F: Future<Output = Result<T, OpenError>>>(
    handle: &Handle,
    grant: &ChannelGrant,
    turn: &Turn,
    begin: impl Fn(AnyWire) -> F,
) -> Result<T, OpenError> {
    let (streams, provider) = (handle.detour().streams(), grant.ticket.terms().provider);
    let stream = streams.open(provider, turn).await?;
    begin(Box::new(stream)).await
}

async fn begin(
    handle: &Handle,
    grant: &ChannelGrant,
    stream: AnyWire,
) -> Result<Channel<AnyWire>, OpenError> {
    let (snapshot, terms) = (handle.snapshot(), grant.ticket.terms().encoded());
    requester(&snapshot, grant, &terms)?.open(stream, lease(handle, grant)).await
}

/// Goes as far as the provider's answer.
pub(super) async fn try_out(handle: &Handle, grant: &ChannelGrant, stream: AnyWire) -> Result<(), OpenError> {
    let (snapshot, terms) = (handle.snapshot(), grant.ticket.terms().encoded());
    requester(&snapshot, grant, &terms)?.try_out(stream, lease(handle, grant)).await
}

/// This node with its ticket, of which `encoded` are the terms.
fn requester<'a>(
    snapshot: &'a Snapshot,
    grant: &'a ChannelGrant,
    encoded: &'a [u8],
) -> Result<Requester<'a>, OpenError> {
    let terms = grant.ticket.terms();
    let binding = Binding {
        for_service: grant.ticket.for_service(),
        terms: encoded,
        requester: terms.requester,
        provider: terms.provider,
        service: &terms.service,
    };
    let (key, suites) = (snapshot.sealing_key(), snapshot.suites());
    let psk = grant.ticket.psk(key)?;
    Ok(Requester { binding, psk, key, suites })
}

/// Holds as long as this node may use the ticket.
fn lease(handle: &Handle, grant: &ChannelGrant) -> Lease {
    let (snapshots, ticket) = (handle.snapshots(), Arc::clone(&grant.ticket));
    let (changes, expires) = (snapshots.clone(), ticket.terms().expires);
    let holds = move |now| {
        let snapshot = Arc::clone(&snapshots.borrow());
        ticket.check(&snapshot, now).map_err(|error| error.ending())
    };
    Lease::new(handle.clock(), holds).ends_at(expires).follows(changes)
}

pub(super) fn failure(error: &OpenError, service: &ServiceRef) -> Failure {
    let peer = &service.peer;
    let (code, remedy) = match error {
        OpenError::Refused(ChannelReject::NotAllowed | ChannelReject::Revoked) => {
            (Code::Denied, format!("ask whoever runs {peer} or the network's authority"))
        }
        OpenError::Refused(ChannelReject::Unavailable) => {
            (Code::NotFound, format!("offer it there: on {peer}, `lanyard expose {} …`", service.service))
        }
        OpenError::Refused(ChannelReject::Busy) => (Code::Failed, "close channels, or try again".to_owned()),
        OpenError::NoTicket | OpenError::Refused(ChannelReject::Expired) => {
            (Code::Failed, format!("check the clocks of this host and of {peer}"))
        }
        OpenError::Misbehaved(_) => (Code::Data, format!("find out who answers at the address of {peer}")),
        OpenError::Io(_) | OpenError::TimedOut => {
            (Code::Unreachable, format!("check that {peer} runs and that its lane port is reachable"))
        }
    };
    Failure::new(code, format!("no channel to {service}: {error}"), remedy)
}
