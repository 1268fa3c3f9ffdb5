//! A TCP port that is offered: each channel is a connection to it, and to nothing else.

use lanyard_protocol::control::HostPort;

use super::Exposure;
use crate::lane::Session;
use crate::tools::carry::Connection;

/// Connects to the target and carries bytes until both sides have ended. A channel whose target is not had is cut.
pub(super) async fn serve(exposure: &Exposure, target: &HostPort, session: Session) {
    let peer = session.peer.short();
    let stream = match exposure.own.dial(target).await {
        Ok(stream) => stream,
        Err(error) => {
            exposure.count_refused();
            tracing::debug!(%peer, service = %session.service, %target, %error, "the target is not had");
            return;
        }
    };
    if let Err(error) = Connection::new(stream).carry(session.channel, &exposure.tally).await {
        tracing::debug!(%peer, service = %session.service, %error, "a connection was cut");
    }
}
