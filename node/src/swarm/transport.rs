//! TCP with Noise and Yamux, and QUIC: one transport, whose handshakes have little time.

use libp2p::core::StreamMuxer;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::transport::timeout::TransportTimeout;
use libp2p::core::upgrade::Version;
use libp2p::{PeerId, Transport as _, identity, noise, quic, tcp, yamux};

use super::handshakes::{Cuttable, Handshakes};
use super::metered::{Metered, StreamLimits};
use super::standing::Standing;
use super::streams::LANE_STREAMS;
use crate::config::NetworkLimits;

/// Streams beside the requests of both sides: pings, identify, and those that are just ending.
const SPARE_STREAMS: u32 = 16;
/// Streams of a stranger whatever the limits say.
const MOST_STREAMS: u32 = 256;
/// Streams of both sides that Yamux lets be open on a connection, which [`Metered`] bounds more tightly. With
/// 4,096 of them their 256 KiB take up all of the 1 GiB that Yamux keeps for one connection: so no window grows,
/// however fast its stream is read at first.
const YAMUX_STREAMS: usize = 4096;
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
    standing: &Standing,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, noise::Error> {
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(keypair)?)
        .multiplex(yamux_config())
        .map(metered(limits, standing));
    let quic = quic::tokio::Transport::new(quic_config(keypair, limits)).map(metered(limits, standing));
    let either = tcp.or_transport(quic).map(|either, _| either.into_inner()).boxed();
    Ok(TransportTimeout::new(Cuttable::new(either, handshakes), limits.handshake).boxed())
}

/// What counts the streams of a connection and ends it when the peer has opened too many.
fn metered<M, P>(
    limits: &NetworkLimits,
    standing: &Standing,
) -> impl FnOnce((PeerId, M), P) -> (PeerId, StreamMuxerBox) + Clone + Send + 'static
where
    M: StreamMuxer + Unpin + Send + 'static,
    M::Substream: Unpin + Send + 'static,
    M::Error: Send + Sync + 'static,
{
    let (limits, standing) = (streams(limits), standing.clone());
    move |(peer, muxer), _| (peer, StreamMuxerBox::new(Metered::new(muxer, peer, standing, limits)))
}

/// How many streams a peer may have open on a connection: [`Network::request`](super::Network::request) and
/// [`Streams`](super::Streams) hold back before.
fn streams(limits: &NetworkLimits) -> StreamLimits {
    let stranger = limits.requests_per_connection.get().saturating_add(SPARE_STREAMS).min(MOST_STREAMS);
    let stranger = stranger as usize;
    StreamLimits { stranger, member: stranger + LANE_STREAMS }
}

/// Yamux lets a peer send 256 KiB on a stream before anyone reads: of a stranger, 12 MiB on a connection of 48
/// streams; of a member, 68 MiB.
fn yamux_config() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(YAMUX_STREAMS);
    config
}

fn quic_config(keypair: &identity::Keypair, limits: &NetworkLimits) -> quic::Config {
    let streams = u32::try_from(streams(limits).member).unwrap_or(MOST_STREAMS);
    let mut config = quic::Config::new(keypair);
    config.handshake_timeout = limits.handshake;
    config.max_concurrent_stream_limit = streams;
    config.max_stream_data = QUIC_STREAM_WINDOW;
    // As much as its streams together: those which nobody reads do not stop the others.
    config.max_connection_data = streams * QUIC_STREAM_WINDOW;
    config
}
