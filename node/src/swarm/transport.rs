//! TCP with Noise and Yamux, and QUIC: one transport, whose handshakes have little time.

use core::time::Duration;

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::transport::timeout::TransportTimeout;
use libp2p::core::upgrade::Version;
use libp2p::{PeerId, Transport as _, identity, noise, quic, tcp, yamux};

use super::handshakes::{Cuttable, Handshakes};

/// What one QUIC stream may have in flight, and one connection: as much as its streams together, so that
/// streams which nobody reads do not stop the others.
const QUIC_STREAM_WINDOW: u32 = 256 * 1024;
const QUIC_STREAMS: u32 = 64;
const QUIC_CONNECTION_WINDOW: u32 = QUIC_STREAMS * QUIC_STREAM_WINDOW;

/// The transport of the node with this key. `handshakes` can cut those that come in short.
///
/// # Errors
/// [`noise::Error`] if the key cannot be bound to a Noise key.
pub(super) fn build(
    keypair: &identity::Keypair,
    timeout: Duration,
    handshakes: Handshakes,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, noise::Error> {
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(keypair)?)
        .multiplex(yamux::Config::default())
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let quic = quic::tokio::Transport::new(quic_config(keypair, timeout))
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let either = tcp.or_transport(quic).map(|either, _| either.into_inner()).boxed();
    Ok(TransportTimeout::new(Cuttable::new(either, handshakes), timeout).boxed())
}

fn quic_config(keypair: &identity::Keypair, timeout: Duration) -> quic::Config {
    let mut config = quic::Config::new(keypair);
    config.handshake_timeout = timeout;
    config.max_concurrent_stream_limit = QUIC_STREAMS;
    config.max_stream_data = QUIC_STREAM_WINDOW;
    config.max_connection_data = QUIC_CONNECTION_WINDOW;
    config
}
