//! Between libp2p's names for peers and places and ours.

use core::net::{IpAddr, SocketAddr};

use if_addrs::IfAddr;
use lanyard_protocol::identity::NodeId;
use libp2p::identity::{PublicKey, ed25519};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

/// The code of the multihash that is the data itself: a peer id with its key inside.
const IDENTITY_MULTIHASH: u64 = 0;

/// A node's id as libp2p writes it. `None` for a key that libp2p does not take.
pub(super) fn peer_id(node: &NodeId) -> Option<PeerId> {
    let key = ed25519::PublicKey::try_from_bytes(node.public_key().as_bytes()).ok()?;
    Some(PublicKey::from(key).to_peer_id())
}

/// The Ed25519 key inside a peer id. `None` for any other kind of peer: it is no node.
pub(super) fn node_id(peer: &PeerId) -> Option<NodeId> {
    let multihash = peer.as_ref();
    if multihash.code() != IDENTITY_MULTIHASH {
        return None;
    }
    let key = PublicKey::try_decode_protobuf(multihash.digest()).ok()?;
    NodeId::try_from(key.try_into_ed25519().ok()?.to_bytes()).ok()
}

/// How to reach a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// TCP, Noise and Yamux.
    Tcp,
    /// QUIC version 1.
    Quic,
}

pub(super) fn multiaddr(address: SocketAddr, transport: Transport) -> Multiaddr {
    let base = Multiaddr::from(address.ip());
    match transport {
        Transport::Tcp => base.with(Protocol::Tcp(address.port())),
        Transport::Quic => base.with(Protocol::Udp(address.port())).with(Protocol::QuicV1),
    }
}

/// The place that an address of one of our transports names, whoever is there.
#[expect(clippy::wildcard_enum_match_arm, reason = "every other kind of address is none of ours")]
pub(super) fn socket_addr(address: &Multiaddr) -> Option<(SocketAddr, Transport)> {
    let mut parts = address.iter().filter(|part| !matches!(part, Protocol::P2p(_)));
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => IpAddr::V4(ip),
        Protocol::Ip6(ip) => IpAddr::V6(ip),
        _ => return None,
    };
    let (port, transport) = match (parts.next()?, parts.next(), parts.next()) {
        (Protocol::Tcp(port), None, None) => (port, Transport::Tcp),
        (Protocol::Udp(port), Some(Protocol::QuicV1), None) => (port, Transport::Quic),
        _ => return None,
    };
    Some((SocketAddr::new(ip.to_canonical(), port), transport))
}

/// The places that a listener on `address` is at: on every interface, if that is what it stands for.
pub(super) fn places(address: SocketAddr) -> Vec<SocketAddr> {
    if !address.ip().is_unspecified() {
        return vec![address];
    }
    let own = if_addrs::get_if_addrs().unwrap_or_default().into_iter().map(|interface| interface.ip());
    let family = own.filter(|ip| ip.is_ipv4() == address.is_ipv4());
    family.map(|ip| SocketAddr::new(ip, address.port())).collect()
}

/// Whether `ip` is on a network that this host is directly attached to, so that no router has passed it on.
/// What cannot be found out is not attached.
pub(crate) fn is_attached(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    if ip.is_loopback() || matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local()) {
        return true;
    }
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    interfaces.iter().any(|interface| is_on_link(&interface.addr, ip))
}

/// A network of every address is no network: what is behind a tunnel was routed.
fn is_on_link(own: &IfAddr, ip: IpAddr) -> bool {
    match (own, ip) {
        (IfAddr::V4(own), IpAddr::V4(ip)) => {
            let mask = own.netmask.to_bits();
            mask != 0 && own.ip.to_bits() & mask == ip.to_bits() & mask
        }
        (IfAddr::V6(own), IpAddr::V6(ip)) => {
            let mask = own.netmask.to_bits();
            mask != 0 && own.ip.to_bits() & mask == ip.to_bits() & mask
        }
        (IfAddr::V4(_), IpAddr::V6(_)) | (IfAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use lanyard_protocol::identity::IdentityKey;

    use super::*;

    #[test]
    fn ids_survive_the_way_to_libp2p_and_back() {
        let id = IdentityKey::from_seed(&[7; 32]).node_id();
        let peer = peer_id(&id).unwrap();
        assert_eq!(node_id(&peer), Some(id));
        let keypair = libp2p::identity::Keypair::ed25519_from_bytes([7; 32]).unwrap();
        assert_eq!(peer, keypair.public().to_peer_id());
    }

    /// A peer id that is a hash, as those of RSA keys are, holds no key and is no node's.
    #[test]
    fn a_hashed_peer_id_is_no_node() {
        let hashed: PeerId = "QmaCpDMGvV2BGHeYERUEnRQAwe3N8SzbUtfsmvsqQLuvuJ".parse().unwrap();
        assert_eq!(node_id(&hashed), None);
        assert_eq!(node_id(&PeerId::random()), None);
    }

    #[test]
    fn places_survive_the_way_to_libp2p_and_back() {
        for text in ["127.0.0.1:4610", "[2001:db8::7]:1"] {
            let place: SocketAddr = text.parse().unwrap();
            for transport in [Transport::Tcp, Transport::Quic] {
                assert_eq!(socket_addr(&multiaddr(place, transport)), Some((place, transport)));
            }
        }
    }

    #[test]
    fn other_transports_are_no_places() {
        for text in [
            "/ip4/127.0.0.1/tcp/80/ws",
            "/ip4/127.0.0.1/udp/80",
            "/ip4/127.0.0.1",
            "/dns4/till.shop.lan/tcp/4610",
            "/ip4/127.0.0.1/udp/80/quic-v1/webtransport",
        ] {
            assert_eq!(socket_addr(&text.parse().unwrap()), None, "{text}");
        }
    }

    #[test]
    fn a_listener_on_every_interface_is_on_loopback_too() {
        let place = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(places(place("127.0.0.1:4610")), [place("127.0.0.1:4610")]);
        let everywhere = places(place("0.0.0.0:4610"));
        assert!(everywhere.contains(&place("127.0.0.1:4610")), "{everywhere:?}");
        assert!(everywhere.iter().all(SocketAddr::is_ipv4), "{everywhere:?}");
    }

    /// A20: this host and its links are attached, whatever its interfaces are.
    #[test]
    fn loopback_and_link_local_addresses_are_attached() {
        for attached in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "fe80::1"] {
            assert!(is_attached(attached.parse().unwrap()), "{attached}");
        }
    }

    /// A20: an address is attached if an interface has its prefix.
    #[test]
    fn an_address_with_the_prefix_of_an_interface_is_attached() {
        let own = interface("192.0.2.7", "255.255.255.0");
        assert!(is_on_link(&own, "192.0.2.200".parse().unwrap()));
        assert!(!is_on_link(&own, "192.0.3.200".parse().unwrap()));
        assert!(!is_on_link(&own, "2001:db8::1".parse().unwrap()));
        let tunnel = interface("10.8.0.2", "0.0.0.0");
        assert!(!is_on_link(&tunnel, "192.0.2.200".parse().unwrap()));
    }

    fn interface(ip: &str, netmask: &str) -> IfAddr {
        let (ip, netmask) = (ip.parse().unwrap(), netmask.parse().unwrap());
        IfAddr::V4(if_addrs::Ifv4Addr { ip, netmask, prefixlen: 0, broadcast: None })
    }
}
