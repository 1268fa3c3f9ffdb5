//! Two networks over loopback.

use core::future::poll_fn;
use core::net::Ipv4Addr;
use core::num::NonZeroU32;
use core::time::Duration;
use std::io::ErrorKind;

use lanyard_protocol::identity::IdentityKey;
use libp2p::Transport as _;
use libp2p::core::Endpoint;
use libp2p::core::muxing::StreamMuxerExt as _;
use libp2p::core::transport::{DialOpts, PortUse};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::*;

use crate::listen;

/// Nothing ends in these tests.
const FOREVER: Timestamp = Timestamp::from_millis(u64::MAX);

#[tokio::test]
async fn a_request_is_answered_over_either_transport() {
    for transport in [Transport::Tcp, Transport::Quic] {
        let (mut alice, mut bob) = (node(1), node(2));
        let place = listening(&mut bob).await;
        // With nothing on TCP at that place, QUIC is what is left to try.
        let place = if transport == Transport::Tcp { place } else { quic_only(&mut bob).await };
        alice.connect(DialId(7), Some(&id(2)), &[place]);
        let (there, here) = connected(&mut alice, &mut bob).await;
        assert_eq!((there.dialled, there.attached), (Some(DialId(7)), true));
        assert_eq!((here.dialled, here.attached), (None, true));

        alice.request(RequestId(5), &id(2), b"ask".to_vec());
        let Event::Request { from, source, inbound, bytes } = next(&mut bob, &mut alice).await else {
            panic!("expected a request")
        };
        assert_eq!((from, source, bytes.as_slice()), (id(1), here, b"ask".as_slice()));
        bob.respond(inbound, b"answer".to_vec());
        let Event::Response { request, bytes } = next(&mut alice, &mut bob).await else {
            panic!("expected a response")
        };
        assert_eq!((request, bytes.as_slice()), (RequestId(5), b"answer".as_slice()));
    }
}

#[tokio::test]
async fn a_request_that_is_ignored_fails_without_an_answer() {
    let (mut alice, mut bob) = pair().await;
    alice.request(RequestId(5), &id(2), b"ask".to_vec());
    let Event::Request { inbound, .. } = next(&mut bob, &mut alice).await else { panic!() };
    bob.ignore(inbound);
    let event = next(&mut alice, &mut bob).await;
    assert!(matches!(event, Event::RequestFailed { request: RequestId(5) }), "{event:?}");
}

/// D4: a frame over the limit never reaches the engine.
#[tokio::test]
async fn a_request_too_long_fails() {
    let (mut alice, mut bob) = pair().await;
    alice.request(RequestId(5), &id(2), vec![0; frame::MAX_FRAME + 1]);
    let event = next(&mut alice, &mut bob).await;
    assert!(matches!(event, Event::RequestFailed { request: RequestId(5) }), "{event:?}");
}

/// D9: a connection has so many streams, and whoever opens more loses it.
#[tokio::test]
async fn a_connection_has_so_many_streams() {
    let limits = requests_per_connection(2);
    let mut bob = node_with(2, &limits);
    let place = listening(&mut bob).await;
    let mut stranger = tokio::spawn(open_streams(place, 100));
    assert!(matches!(bob.next().await, Event::Connected { .. }));
    tokio::select! {
        end = bob.next() => assert!(matches!(end, Event::Disconnected { .. }), "{end:?}"),
        opened = &mut stranger => panic!("opened {} streams", opened.unwrap()),
    }
}

/// D9: a node asks a peer no more at a time than its connection bears, and keeps the connection.
#[tokio::test]
async fn requests_beyond_those_that_a_connection_bears_fail() {
    let (mut alice, mut bob) = pair().await;
    for request in 0..100 {
        alice.request(RequestId(request), &id(2), b"ask".to_vec());
    }
    for failed in 16..100 {
        let event = alice.next().await;
        assert!(
            matches!(event, Event::RequestFailed { request } if request == RequestId(failed)),
            "{event:?}"
        );
    }
    for _ in 0..16 {
        let Event::Request { inbound, .. } = next(&mut bob, &mut alice).await else { panic!() };
        bob.respond(inbound, b"answer".to_vec());
        let event = next(&mut alice, &mut bob).await;
        assert!(matches!(event, Event::Response { .. }), "{event:?}");
    }
}

/// R-C2: a connection that nobody uses ends, and one that is to be kept does not, whichever side is asked.
#[tokio::test]
async fn a_connection_that_is_kept_outlives_one_that_is_not() {
    let limits = NetworkLimits { idle: Duration::from_secs(1), ..NetworkLimits::default() };
    let (mut alice, mut bob, mut carol) =
        (node_with(1, &limits), node_with(2, &limits), node_with(3, &limits));
    let place = listening(&mut bob).await;
    for (dialler, number) in [(&mut alice, 1), (&mut carol, 3)] {
        dialler.connect(DialId(0), Some(&id(2)), &[place]);
        connected(dialler, &mut bob).await;
        dialler.prove(&id(2), FOREVER, number == 1);
        bob.prove(&id(number), FOREVER, number == 1);
    }
    // Each connection is looked at when something happens on it, pings among them.
    let ended = tokio::select! {
        event = bob.next() => event,
        event = carol.next() => event,
        event = alice.next() => panic!("{event:?}"),
    };
    assert!(matches!(ended, Event::Disconnected { .. }), "{ended:?}");
    alice.request(RequestId(5), &id(2), b"ask".to_vec());
    // Bob may have yet to hear that Carol is gone.
    let mut event = next(&mut bob, &mut alice).await;
    if matches!(event, Event::Disconnected { peer } if peer == id(3)) {
        event = next(&mut bob, &mut alice).await;
    }
    assert!(matches!(event, Event::Request { from, .. } if from == id(1)), "{event:?}");
}

/// R-C2: a cable that was pulled is noticed, though nobody says that a connection has ended.
#[tokio::test]
async fn a_peer_that_has_fallen_silent_is_given_up() {
    let limits = NetworkLimits { ping: Duration::from_secs(1), ..NetworkLimits::default() };
    let (mut alice, mut bob) = (node_with(1, &limits), node_with(2, &limits));
    let place = listening(&mut bob).await;
    alice.connect(DialId(0), Some(&id(2)), &[place]);
    connected(&mut alice, &mut bob).await;
    alice.prove(&id(2), FOREVER, true);
    // Bob is there and does nothing any more, as a host does that sleeps.
    let ended = alice.next().await;
    assert!(matches!(ended, Event::Disconnected { peer } if peer == id(2)), "{ended:?}");
    drop(bob);
}

/// D8: a stranger that asks without end gets no answer, a member does.
#[tokio::test]
async fn a_stranger_asks_so_often() {
    let limits = NetworkLimits {
        stranger_requests_per_second: NonZeroU32::MIN,
        stranger_request_burst: NonZeroU32::new(2).unwrap(),
        ..NetworkLimits::default()
    };
    let (mut alice, mut bob) = (node(1), node_with(2, &limits));
    let place = listening(&mut bob).await;
    alice.connect(DialId(0), Some(&id(2)), &[place]);
    connected(&mut alice, &mut bob).await;
    for request in 0..4 {
        alice.request(RequestId(request), &id(2), b"ask".to_vec());
    }
    for _ in 0..2 {
        let event = next(&mut alice, &mut bob).await;
        assert!(matches!(event, Event::RequestFailed { .. }), "{event:?}");
    }
    let asked = bob.events.iter().filter(|event| matches!(event, Event::Request { .. })).count();
    assert_eq!(asked, 2);
    bob.events.clear();
    bob.prove(&id(1), FOREVER, false);
    for request in 4..14 {
        alice.request(RequestId(request), &id(2), b"ask".to_vec());
        let event = next(&mut bob, &mut alice).await;
        assert!(matches!(event, Event::Request { .. }), "{event:?}");
    }
}

#[tokio::test]
async fn a_request_to_nobody_fails() {
    let mut alice = node(1);
    alice.request(RequestId(5), &id(2), b"ask".to_vec());
    assert!(matches!(alice.next().await, Event::RequestFailed { request: RequestId(5) }));
}

#[tokio::test]
async fn whoever_is_there_can_be_dialled() {
    let (mut alice, mut bob) = (node(1), node(2));
    let place = listening(&mut bob).await;
    alice.connect(DialId(1), None, &[nothing_there(), place]);
    let (there, _) = connected(&mut alice, &mut bob).await;
    assert_eq!((there.remote, there.dialled), (place, Some(DialId(1))));
}

/// E1: at an address of somebody else, the peer that was looked for is not found.
#[tokio::test]
async fn another_peer_than_the_one_looked_for_is_a_failed_dial() {
    let (mut alice, mut bob) = (node(1), node(2));
    let place = listening(&mut bob).await;
    alice.connect(DialId(1), Some(&id(3)), &[place]);
    let event = next(&mut alice, &mut bob).await;
    assert!(matches!(event, Event::DialFailed { dial: DialId(1) }), "{event:?}");
}

/// E1: whoever else answers at the addresses that were announced for a peer, and sooner than the peer, or takes the
/// connection and says nothing, does not keep it from being reached at its own.
#[tokio::test]
async fn a_peer_is_reached_though_others_answer_for_it() {
    let (mut alice, mut bob) = (node(1), node(2));
    let place = listening(&mut bob).await;
    let silent = TcpSocket::new_v4().unwrap();
    silent.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let silent = silent.listen(16).unwrap();
    let mut places = vec![silent.local_addr().unwrap(), nothing_there()];
    for seed in 3..6 {
        let mut mallory = node(seed);
        places.push(listening(&mut mallory).await);
        tokio::spawn(async move {
            loop {
                mallory.next().await;
            }
        });
    }
    places.push(place);
    // Bob answers nobody before all the others have answered for him.
    alice.connect(DialId(1), Some(&id(2)), &places);
    let late = tokio::time::timeout(Duration::from_millis(200), alice.next()).await;
    assert!(late.is_err(), "{late:?}");
    let (there, _) = connected(&mut alice, &mut bob).await;
    assert_eq!(there.remote, place);
}

#[tokio::test]
async fn a_dial_to_nowhere_fails() {
    let mut alice = node(1);
    alice.connect(DialId(1), Some(&id(2)), &[]);
    assert!(matches!(alice.next().await, Event::DialFailed { dial: DialId(1) }));
    alice.connect(DialId(2), None, &[nothing_there()]);
    assert!(matches!(alice.next().await, Event::DialFailed { dial: DialId(2) }));
}

#[tokio::test]
async fn the_last_connection_is_the_end_of_being_connected() {
    let (mut alice, mut bob) = pair().await;
    let peer = address::peer_id(&id(2)).unwrap();
    alice.swarm.disconnect_peer_id(peer).unwrap();
    let event = next(&mut alice, &mut bob).await;
    assert!(matches!(event, Event::Disconnected { peer } if peer == id(2)), "{event:?}");
    let event = next(&mut bob, &mut alice).await;
    assert!(matches!(event, Event::Disconnected { peer } if peer == id(1)), "{event:?}");
}

/// D7: of silent connections, one address holds so many; the handshake's time ends them, and a peer gets in.
#[tokio::test]
async fn silent_connections_are_few_and_end() {
    let limits = NetworkLimits {
        handshake: Duration::from_millis(300),
        pending_per_address: NonZeroU32::new(2).unwrap(),
        handshake_burst: NonZeroU32::new(100).unwrap(),
        ..NetworkLimits::default()
    };
    let mut bob = node_with(2, &limits);
    let place = listening(&mut bob).await;
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(TcpStream::connect(place).await.unwrap());
    }
    let mut ends = futures::stream::FuturesUnordered::new();
    for stream in &silent {
        ends.push(end_of(stream));
    }
    while !ends.is_empty() {
        tokio::select! {
            _ = ends.next() => {}
            event = bob.next() => panic!("{event:?}"),
        }
    }
    let mut alice = node(1);
    alice.connect(DialId(1), Some(&id(2)), &[place]);
    connected(&mut alice, &mut bob).await;
}

/// D7, D8: while silent connections from everywhere hold every slot, a peer gets in.
#[tokio::test]
async fn a_peer_gets_in_while_silent_connections_hold_every_slot() {
    let limits = NetworkLimits {
        pending: NonZeroU32::new(8).unwrap(),
        handshake: Duration::from_secs(60),
        ..NetworkLimits::default()
    };
    let mut bob = node_with(2, &limits);
    let place = listening(&mut bob).await;
    let mut silent = Vec::new();
    for host in 2..42 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(Ipv4Addr::new(127, 0, 0, host).into(), 0)).unwrap();
        let mut stream = socket.connect(place).await.unwrap();
        // The answer says that the handshake has begun, the end that it was refused.
        stream.write_all(b"\x13/multistream/1.0.0\n").await.unwrap();
        let mut answer = [0; 64];
        tokio::select! {
            _ = stream.read(&mut answer) => {}
            event = bob.next() => panic!("{event:?}"),
        }
        silent.push(stream);
    }
    let mut alice = node(1);
    alice.connect(DialId(1), Some(&id(2)), &[place]);
    connected(&mut alice, &mut bob).await;
}

/// D9: one peer has so many connections, and it is the oldest that goes.
#[tokio::test]
async fn a_peer_has_so_many_connections() {
    let limits = NetworkLimits { connections_per_peer: NonZeroU32::MIN, ..NetworkLimits::default() };
    let mut bob = node_with(2, &limits);
    let place = listening(&mut bob).await;
    let mut alice = node(1);
    alice.connect(DialId(1), Some(&id(2)), &[place]);
    connected(&mut alice, &mut bob).await;
    alice.connect(DialId(2), Some(&id(2)), &[place]);
    connected(&mut alice, &mut bob).await;
    while bob.connections.len() > 1 {
        tokio::select! {
            event = bob.next() => panic!("still connected: {event:?}"),
            event = alice.next() => panic!("still connected: {event:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(bob.peers.get(&id(1)), Some(&1));
}

/// C4: a peer that is to be a member no longer is disconnected on every connection, and is a stranger when it comes
/// again.
#[tokio::test]
async fn a_peer_that_is_disconnected_is_a_stranger() {
    let (mut alice, mut bob) = (node(1), node(2));
    let place = listening(&mut bob).await;
    for dial in 0..2 {
        alice.connect(DialId(dial), Some(&id(2)), &[place]);
        connected(&mut alice, &mut bob).await;
    }
    let alice_id = address::peer_id(&id(1)).unwrap();
    bob.prove(&id(1), FOREVER, false);
    assert!(bob.swarm.behaviour().gate.is_proven(&alice_id) && bob.streams().has(&id(1)));
    bob.disconnect(&id(1));
    assert!(!bob.swarm.behaviour().gate.is_proven(&alice_id) && !bob.streams().has(&id(1)));
    let event = next(&mut bob, &mut alice).await;
    assert!(matches!(event, Event::Disconnected { peer } if peer == id(1)), "{event:?}");
    let event = next(&mut alice, &mut bob).await;
    assert!(matches!(event, Event::Disconnected { .. }), "{event:?}");
    alice.connect(DialId(2), Some(&id(2)), &[place]);
    connected(&mut alice, &mut bob).await;
    assert!(!bob.swarm.behaviour().gate.is_proven(&alice_id));
}

/// D9: a member may have more streams open than a stranger, and loses its connection beyond that.
#[tokio::test]
async fn a_member_has_more_streams_than_a_stranger() {
    let limits = requests_per_connection(2);
    let strangers = 2 + 16;
    for (proven, number, lasts) in [
        (true, strangers + streams::LANE_STREAMS - 10, true),
        (true, strangers + streams::LANE_STREAMS + 10, false),
        (false, strangers + 10, false),
    ] {
        let mut bob = node_with(2, &limits);
        let place = listening(&mut bob).await;
        let mut peer = tokio::spawn(open_streams(place, number));
        assert!(matches!(bob.next().await, Event::Connected { .. }));
        if proven {
            bob.prove(&id(1), FOREVER, false);
        }
        let lasted = tokio::select! {
            end = bob.next() => {
                assert!(matches!(end, Event::Disconnected { .. }), "{end:?}");
                false
            }
            opened = &mut peer => opened.unwrap() == number,
        };
        assert_eq!(lasted, lasts, "{proven} {number}");
    }
}

/// D9: a stranger that asks for a stream for a channel gets no byte; a member gets the stream.
#[tokio::test]
async fn streams_for_channels_are_for_members() {
    let (mut alice, mut bob) = pair().await;
    let (from, to) = (alice.streams(), bob.streams());
    let mut incoming = to.incoming().unwrap();
    let turn = from.turn(id(2)).await.unwrap();
    assert_eq!(from.open(id(2), &turn).await.map(drop).unwrap_err().kind(), ErrorKind::NotConnected);
    alice.prove(&id(2), FOREVER, false);
    for proven in [false, true] {
        if proven {
            bob.prove(&id(1), FOREVER, false);
        }
        let taking = async {
            match incoming.next().await {
                Some(offered) => offered.take().await,
                None => core::future::pending().await,
            }
        };
        let driving = async {
            loop {
                tokio::select! {
                    _ = alice.next() => {}
                    _ = bob.next() => {}
                }
            }
        };
        tokio::select! {
            opened = from.open(id(2), &turn) => {
                // The stranger asks again and again, until it has no more time.
                assert_eq!(opened.map(drop).map_err(|error| error.kind()), Err(ErrorKind::TimedOut));
                assert!(!proven);
            }
            taken = taking => {
                taken.unwrap();
                assert!(proven, "took the stream of a stranger");
            }
            () = driving => {}
        }
    }
}

fn node(seed: u8) -> Network {
    node_with(seed, &NetworkLimits::default())
}

fn node_with(seed: u8, limits: &NetworkLimits) -> Network {
    Network::new(&Zeroizing::new([seed; 32]), limits, false).unwrap()
}

fn requests_per_connection(number: u32) -> NetworkLimits {
    let requests_per_connection = NonZeroU32::new(number).unwrap();
    NetworkLimits { requests_per_connection, ..NetworkLimits::default() }
}

/// Connects as a peer without limits of its own and opens streams that never end: returns how many, if the
/// connection lasts.
async fn open_streams(place: SocketAddr, number: usize) -> usize {
    let keypair = identity::Keypair::ed25519_from_bytes([1; 32]).unwrap();
    let generous = requests_per_connection(u32::MAX);
    let mut transport =
        transport::build(&keypair, &generous, Handshakes::default(), &Standing::default()).unwrap();
    let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
    let (_, mut muxer) =
        transport.dial(address::multiaddr(place, Transport::Tcp), options).unwrap().await.unwrap();
    let mut streams = Vec::new();
    for _ in 0..number {
        let Ok(mut stream) = poll_fn(|cx| muxer.poll_outbound_unpin(cx)).await else { break };
        let byte = async { futures::AsyncWriteExt::write_all(&mut stream, &[19]).await };
        if byte.await.is_err() {
            break;
        }
        streams.push(stream);
    }
    // The streams' bytes go out while the connection is polled; it ends if they are too many.
    let end = poll_fn(|cx| muxer.poll_unpin(cx));
    match tokio::time::timeout(Duration::from_secs(2), end).await {
        Ok(_) => core::future::pending().await,
        Err(_) => streams.len(),
    }
}

fn id(seed: u8) -> NodeId {
    IdentityKey::from_seed(&[seed; 32]).node_id()
}

async fn listening(network: &mut Network) -> SocketAddr {
    let any = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
    let address = listen::control_addresses(any).unwrap()[0];
    network.listen(&[address]).unwrap();
    let Event::Listening(addresses) = network.next().await else { panic!("expected to listen") };
    assert_eq!(addresses, [address]);
    address
}

/// A place where the network listens over QUIC alone.
async fn quic_only(network: &mut Network) -> SocketAddr {
    let place = nothing_there();
    network.swarm.listen_on(address::multiaddr(place, Transport::Quic)).unwrap();
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = network.swarm.select_next_some().await
            && address::socket_addr(&address) == Some((place, Transport::Quic))
        {
            return place;
        }
    }
}

fn nothing_there() -> SocketAddr {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

async fn pair() -> (Network, Network) {
    let (mut alice, mut bob) = (node(1), node(2));
    let place = listening(&mut bob).await;
    alice.connect(DialId(0), Some(&id(2)), &[place]);
    connected(&mut alice, &mut bob).await;
    (alice, bob)
}

/// Runs both until each has a new connection: returns what either has to say of it.
async fn connected(alice: &mut Network, bob: &mut Network) -> (Connection, Connection) {
    let (mut there, mut here) = (None, None);
    loop {
        if let (Some(there), Some(here)) = (there, here) {
            return (there, here);
        }
        tokio::select! {
            event = alice.next() => there = Some(connection_of(event)),
            event = bob.next() => here = Some(connection_of(event)),
        }
    }
}

fn connection_of(event: Event) -> Connection {
    let Event::Connected { connection, .. } = event else { panic!("{event:?}") };
    connection
}

/// The next event of `one`, while the other runs, too; events of the other stay.
async fn next(one: &mut Network, other: &mut Network) -> Event {
    loop {
        tokio::select! {
            biased;
            event = one.next() => return event,
            event = other.swarm.select_next_some() => other.handle(event),
        }
    }
}

/// Waits until the other side has ended the connection.
async fn end_of(stream: &TcpStream) {
    let mut buffer = [0; 64];
    loop {
        stream.readable().await.unwrap();
        match stream.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
