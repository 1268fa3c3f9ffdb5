//! Whether a channel would open: the handshake up to the provider's answer, and no further.
//!
//! Before the requester's first record there is no channel: the provider calls no handler and dials no target for what
//! ends here.

use lanyard_protocol::channel::ChannelReject;
use lanyard_protocol::control::{Failure, ServiceRef};
use lanyard_protocol::engine::ChannelGrant;
use lanyard_protocol::people::Actor;

use super::dial::{by_lane, by_stream, failure, is_no_word, try_out};
use crate::channel::handshake::OpenError;
use crate::handle::Handle;

/// What came of it.
pub(crate) enum Probe {
    /// A channel would open, and how.
    Opens(String),
    /// The provider does not take the ticket, which was forgotten here: another one may do.
    NoTicket(Failure),
    /// It would not.
    Shut(Failure),
}

/// Tries whether a channel to `service` opens on behalf of `actor`.
pub(crate) async fn probe(handle: &Handle, actor: &Actor, service: &ServiceRef) -> Probe {
    let grant = match handle.open(actor.clone(), service.clone()).await {
        Ok(grant) => grant,
        Err(failure) => return Probe::Shut(failure),
    };
    let error = match either_way(handle, &grant).await {
        Ok(how) => return Probe::Opens(how),
        Err(error) => error,
    };
    let is_none = matches!(
        error,
        OpenError::NoTicket | OpenError::Refused(ChannelReject::Expired | ChannelReject::Revoked)
    );
    if is_none && let Err(failure) = handle.no_ticket(grant.ticket.terms().id).await {
        return Probe::Shut(failure);
    }
    match error {
        OpenError::NoTicket | OpenError::Refused(ChannelReject::Expired) => {
            Probe::NoTicket(failure(&error, service))
        }
        OpenError::Io(_) | OpenError::TimedOut | OpenError::Misbehaved(_) | OpenError::Refused(_) => {
            Probe::Shut(failure(&error, service))
        }
    }
}

/// By the lane, or where that does not work on a stream: then it is said which port is closed.
async fn either_way(handle: &Handle, grant: &ChannelGrant) -> Result<String, OpenError> {
    let turn = handle.detour().streams().turn(grant.ticket.terms().provider).await?;
    let attempt = |stream| try_out(handle, grant, stream);
    let closed = match by_lane(grant, attempt).await {
        Ok(((), lane)) => return Ok(format!("{} answers on the lane at {lane}", grant.provider)),
        Err(error) if is_no_word(&error) => error,
        Err(refused) => return Err(refused),
    };
    match by_stream(handle, grant, &turn, attempt).await {
        Ok(()) => {}
        // What is wrong is the lane, as long as the stream is no better.
        Err(worse) if is_no_word(&worse) => return Err(closed),
        Err(refused) => return Err(refused),
    }
    let lanes = grant.lanes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let why = match closed {
        OpenError::TimedOut => "no answer".to_owned(),
        OpenError::Io(error) => error.to_string(),
        other @ (OpenError::NoTicket | OpenError::Refused(_) | OpenError::Misbehaved(_)) => other.to_string(),
    };
    let lanes =
        if lanes.is_empty() { "of which no address is known".to_owned() } else { format!("at {lanes}") };
    Ok(format!(
        "{} answers on a stream of the connection between the nodes; the lane's port {lanes} is closed: {why}",
        grant.provider
    ))
}
