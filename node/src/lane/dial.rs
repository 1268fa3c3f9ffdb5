//! Opening a channel to a service of another node.

use std::net::SocketAddr;

use lanyard_protocol::channel::{Binding, ChannelReject};
use lanyard_protocol::control::{Code, Failure, ServiceRef};
use lanyard_protocol::engine::ChannelGrant;
use lanyard_protocol::identity::{NodeId, NodeName};
use tokio::net::TcpStream;

use crate::channel::handshake::{self, OpenError, Requester};
use crate::channel::{AnyWire, Channel, Lease};
use crate::handle::Handle;

/// A channel that this node opened.
#[derive(Debug)]
pub struct Dialled {
    /// The channel.
    pub channel: Channel<AnyWire>,
    /// Who provides the service.
    pub peer: NodeId,
    /// The provider's name.
    pub name: NodeName,
}

/// Gets a ticket for `service` and opens a channel with it. A ticket that the provider does not know any more, or
/// that has just expired, is replaced once.
///
/// # Errors
/// What the user is told: denied, unreachable, unknown.
pub(crate) async fn open(handle: &Handle, service: &ServiceRef) -> Result<Dialled, Failure> {
    let mut retried = false;
    loop {
        let grant = handle.open(service.clone()).await?;
        match connect(handle, &grant).await {
            Ok(channel) => {
                return Ok(Dialled { channel, peer: grant.ticket.terms().provider, name: grant.provider });
            }
            Err(OpenError::NoTicket | OpenError::Refused(ChannelReject::Expired)) if !retried => {
                retried = true;
                handle.no_ticket(grant.ticket.terms().id).await?;
            }
            Err(error) => return Err(failure(&error, service)),
        }
    }
}

/// Tries the provider's addresses in turn; the first that is the provider decides.
async fn connect(handle: &Handle, grant: &ChannelGrant) -> Result<Channel<AnyWire>, OpenError> {
    let mut last = OpenError::TimedOut;
    for lane in &grant.lanes {
        match connect_to(handle, grant, *lane).await {
            Err(error @ (OpenError::Io(_) | OpenError::TimedOut | OpenError::Misbehaved(_))) => {
                tracing::debug!(%lane, %error, "lane not usable");
                last = error;
            }
            decided => return decided,
        }
    }
    Err(last)
}

async fn connect_to(
    handle: &Handle,
    grant: &ChannelGrant,
    lane: SocketAddr,
) -> Result<Channel<AnyWire>, OpenError> {
    let connected = tokio::time::timeout(handshake::TIMEOUT, TcpStream::connect(lane)).await;
    let stream = connected.map_err(|_| OpenError::TimedOut)??;
    stream.set_nodelay(true)?;
    let (snapshot, terms) = (handle.snapshot(), grant.ticket.terms());
    let binding = Binding {
        for_service: grant.ticket.for_service(),
        terms: &terms.encoded(),
        requester: terms.requester,
        provider: terms.provider,
        service: &terms.service,
    };
    let (psk, key, suites) = (grant.ticket.psk(), snapshot.sealing_key(), snapshot.suites());
    let stream: AnyWire = Box::new(stream);
    Requester { binding, psk, key, suites }.open(stream, Lease::until(handle.clock(), terms.expires)).await
}

fn failure(error: &OpenError, service: &ServiceRef) -> Failure {
    let peer = &service.peer;
    let (code, remedy) = match error {
        OpenError::Refused(ChannelReject::NotAllowed | ChannelReject::Revoked) => {
            (Code::Denied, format!("ask whoever runs {peer} or the network's authority"))
        }
        OpenError::Refused(ChannelReject::Unavailable) => {
            (Code::NotFound, format!("start the service on {peer}"))
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
