//! TCP with Noise and Yamux, and QUIC: one transport, whose handshakes have little time.

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::transport::timeout::TransportTimeout;
use libp2p::core::upgrade::Version;
use libp2p::{PeerId, Transport as _, identity, noise, quic, tcp, yamux};

use super::handshakes::{Cuttable, Handshakes};
use crate::config::NetworkLimits;

/// Streams beside the requests of both sides: pings, identify, and those that are just ending.
const SPARE_STREAMS: u32 = 16;
/// Streams whatever the limits say: as many as Yamux has by itself.
const MOST_STREAMS: u32 = 512;
/// What one QUIC stream may have in flight: a frame and what negotiates its protocol, with room.
const QUIC_STREAM_WINDOW: u32 = 32 * 1024;

/// The transport of the node with this key. `handshakes` can cut those that come in short.
///
/// # Errors
/// [`noise::Error`] if the key cannot be bound to a Noise key.
pub(super) fn build(
    keypair: &identity::Keypair,
    limits: &NetworkLimits,
    handshakes: Handshakes,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, noise::Error> {
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(keypair)?)
        .multiplex(yamux_config(limits))
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let quic = quic::tokio::Transport::new(quic_config(keypair, limits))
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let either = tcp.or_transport(quic).map(|either, _| either.into_inner()).boxed();
    Ok(TransportTimeout::new(Cuttable::new(either, handshakes), limits.handshake).boxed())
}

/// How many streams a connection may have at a time. Yamux counts those of both sides together, and ends the
/// connection when there are more: [`Network::request`](super::Network::request) holds back before.
fn streams(limits: &NetworkLimits) -> u32 {
    limits.requests_per_connection.get().saturating_add(SPARE_STREAMS).min(MOST_STREAMS)
}

/// Yamux lets a peer send 256 KiB on a stream before anyone reads: 12 MiB on a connection of 48 streams.
fn yamux_config(limits: &NetworkLimits) -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(streams(limits) as usize);
    config
}

fn quic_config(keypair: &identity::Keypair, limits: &NetworkLimits) -> quic::Config {
    let streams = streams(limits);
    let mut config = quic::Config::new(keypair);
    config.handshake_timeout = limits.handshake;
    config.max_concurrent_stream_limit = streams;
    config.max_stream_data = QUIC_STREAM_WINDOW;
    // As much as its streams together: those which nobody reads do not stop the others.
    config.max_connection_data = streams * QUIC_STREAM_WINDOW;
    config
}
