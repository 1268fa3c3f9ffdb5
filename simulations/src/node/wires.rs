//! A node's connections, as libp2p keeps them: dialled at several addresses at once, closed when nobody uses them.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use lanyard_protocol::engine::{Connection, DialId, InboundId, RequestId};
use lanyard_protocol::identity::NodeId;
use lanyard_protocol::time::Timestamp;

use super::{Node, Scene};
use crate::event::{HostId, LinkId, Local, Packet};
use crate::moment::Moment;

/// What a real node gives a handshake, a request and an idle connection: the defaults of its limits.
const HANDSHAKE: Duration = Duration::from_secs(3);
const REQUEST: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(600);

/// One end of a connection.
struct Wire {
    node: NodeId,
    host: HostId,
    used: Moment,
}

/// A connection that is not established yet, at the listener.
struct Coming {
    node: NodeId,
    host: HostId,
    from: SocketAddr,
}

/// A wish to connect.
struct Dial {
    peer: Option<NodeId>,
    tries: BTreeMap<LinkId, HostId>,
}

#[derive(Default)]
pub(super) struct Wires {
    wires: BTreeMap<LinkId, Wire>,
    by_node: BTreeMap<NodeId, BTreeSet<LinkId>>,
    coming: BTreeMap<LinkId, Coming>,
    dials: BTreeMap<DialId, Dial>,
    asked: BTreeMap<RequestId, LinkId>,
    deadlines: VecDeque<(Moment, RequestId)>,
    inbound: BTreeMap<InboundId, (LinkId, u64)>,
    /// Nodes whose connections stay though nobody asks anything.
    kept: BTreeSet<NodeId>,
    requests: u64,
}

impl Wires {
    pub(super) fn links(&self) -> impl Iterator<Item = (LinkId, HostId)> {
        self.wires.iter().map(|(link, wire)| (*link, wire.host))
    }

    /// When the next request has had its time.
    pub(super) fn overdue(&self) -> Option<Moment> {
        self.deadlines.front().map(|(deadline, _)| *deadline)
    }

    /// A request that has had its time.
    pub(super) fn take_overdue(&mut self, at: Moment) -> Option<RequestId> {
        while self.overdue().is_some_and(|deadline| deadline <= at) {
            let (_, request) = self.deadlines.pop_front()?;
            if self.asked.remove(&request).is_some() {
                return Some(request);
            }
        }
        None
    }

    /// Forgets deadlines of requests that were answered.
    fn forget_answered(&mut self) {
        while self.deadlines.front().is_some_and(|(_, request)| !self.asked.contains_key(request)) {
            self.deadlines.pop_front();
        }
    }

    pub(super) fn request(&mut self, id: RequestId, to: NodeId, bytes: Vec<u8>, scene: &mut Scene<'_>) {
        let link = self.by_node.get(&to).and_then(|links| links.last().copied());
        let Some((link, wire)) = link.and_then(|link| Some((link, self.wires.get_mut(&link)?))) else {
            scene.after(Duration::ZERO, Local::Unsent(id));
            return;
        };
        wire.used = scene.at;
        self.asked.insert(id, link);
        self.deadlines.push_back((scene.at.after(REQUEST), id));
        scene.send(wire.host, Packet::Request { link, number: id.0, bytes });
    }

    /// On which host a node is that is asked something, if there is a connection with it.
    pub(super) fn host(&self, node: NodeId) -> Option<HostId> {
        let link = self.by_node.get(&node)?.last()?;
        self.wires.get(link).map(|wire| wire.host)
    }

    /// Who has asked what waits for an answer.
    pub(super) fn asker(&self, inbound: InboundId) -> Option<NodeId> {
        let (link, _) = self.inbound.get(&inbound)?;
        self.wires.get(link).map(|wire| wire.node)
    }

    pub(super) fn respond(&mut self, to: InboundId, bytes: Option<Vec<u8>>, scene: &mut Scene<'_>) {
        let Some((link, number)) = self.inbound.remove(&to) else { return };
        if let Some(wire) = self.wires.get(&link) {
            scene.send(wire.host, Packet::Response { link, number, bytes });
        }
    }

    pub(super) fn dial(
        &mut self,
        id: DialId,
        me: NodeId,
        peer: Option<NodeId>,
        addresses: &[SocketAddr],
        scene: &mut Scene<'_>,
    ) {
        let here = scene.port.host;
        let hosts: BTreeSet<HostId> = addresses
            .iter()
            .filter_map(|address| HostId::at(*address))
            .filter(|host| *host != here)
            .collect();
        let mut tries = BTreeMap::new();
        for host in hosts {
            let link = LinkId { dialler: here, number: scene.port.next_link() };
            tries.insert(link, host);
            scene.send(host, Packet::Dial { link, node: me, from: here.control() });
        }
        let wait = if tries.is_empty() { Duration::ZERO } else { HANDSHAKE };
        self.dials.insert(id, Dial { peer, tries });
        scene.after(wait, Local::DialOver(id));
    }

    /// Ends a dial; says whether it was still open.
    pub(super) fn give_up(&mut self, id: DialId, scene: &mut Scene<'_>) -> bool {
        let Some(dial) = self.dials.remove(&id) else { return false };
        for (link, host) in dial.tries {
            scene.send(host, Packet::Close { link });
        }
        true
    }

    /// Which dial has tried this connection.
    fn dial_of(&self, link: LinkId) -> Option<DialId> {
        self.dials.iter().find(|(_, dial)| dial.tries.contains_key(&link)).map(|(id, _)| *id)
    }

    fn add(&mut self, link: LinkId, node: NodeId, host: HostId, scene: &mut Scene<'_>) {
        self.wires.insert(link, Wire { node, host, used: scene.at });
        self.by_node.entry(node).or_default().insert(link);
        if link.dialler == scene.port.host {
            scene.after(IDLE, Local::Idle(link));
        }
    }

    /// The connection has ended here: with the last one the node is gone, and its requests have failed, in the order in
    /// which libp2p tells it.
    fn end(&mut self, link: LinkId, scene: &mut Scene<'_>) -> Option<HostId> {
        let Wire { node, host, .. } = self.wires.remove(&link)?;
        let failed: Vec<RequestId> =
            self.asked.iter().filter(|(_, asked)| **asked == link).map(|(request, _)| *request).collect();
        self.inbound.retain(|_, (asked, _)| *asked != link);
        if let Some(links) = self.by_node.get_mut(&node) {
            links.remove(&link);
            if links.is_empty() {
                self.by_node.remove(&node);
                self.kept.remove(&node);
                scene.after(Duration::ZERO, Local::Gone(node));
            }
        }
        for request in failed {
            self.asked.remove(&request);
            scene.after(Duration::ZERO, Local::Unsent(request));
        }
        Some(host)
    }

    /// Ends every connection with a node.
    pub(super) fn disconnect(&mut self, node: NodeId, scene: &mut Scene<'_>) {
        for link in self.by_node.get(&node).cloned().unwrap_or_default() {
            if let Some(host) = self.end(link, scene) {
                scene.send(host, Packet::Close { link });
            }
        }
    }

    /// The engine wants connections with a node to stay, or says that they need not.
    pub(super) fn keep(&mut self, node: NodeId, keep: bool) {
        if keep {
            self.kept.insert(node);
        } else {
            self.kept.remove(&node);
        }
    }

    /// Closes a connection that nobody has used for long, unless it is to stay.
    pub(super) fn look_whether_idle(&mut self, link: LinkId, scene: &mut Scene<'_>) {
        let Some(wire) = self.wires.get(&link).filter(|wire| !self.kept.contains(&wire.node)) else { return };
        let used = scene.at.since(wire.used);
        if used < IDLE {
            scene.after(IDLE - used, Local::Idle(link));
        } else if let Some(host) = self.end(link, scene) {
            scene.send(host, Packet::Close { link });
        }
    }
}

impl Node {
    /// Something has arrived from another host.
    pub(super) fn arrived(&mut self, from: HostId, packet: Packet, now: Timestamp, scene: &mut Scene<'_>) {
        match packet {
            Packet::Announce { node, addresses } => self.engine.handle_discovered(node, addresses, now),
            Packet::Dial { link, node, from: address } => {
                self.wires.coming.insert(link, Coming { node, host: from, from: address });
                let node = self.id();
                scene.send(from, Packet::Accept { link, node });
            }
            Packet::Accept { link, node } => self.accepted(from, link, node, now, scene),
            Packet::Refuse { link } => self.refused(link, now),
            Packet::Establish { link } => self.established(link, now, scene),
            Packet::Close { link } => {
                self.wires.coming.remove(&link);
                self.wires.end(link, scene);
            }
            Packet::Request { link, number, bytes } => self.requested(from, link, number, &bytes, now, scene),
            Packet::Response { link, number, bytes } => self.answered(link, number, bytes, now, scene),
            Packet::Present { channel, ticket } => self.presented(from, channel, &ticket, now, scene),
            Packet::Presented { channel, verdict } => {
                self.presentation_ended(from, channel, verdict, now, scene)
            }
            Packet::End { requester, channel } => self.plane.ended(requester, channel, scene),
        }
    }

    /// A listener answers: the first one that is whom the engine wants is taken.
    fn accepted(&mut self, from: HostId, link: LinkId, node: NodeId, now: Timestamp, scene: &mut Scene<'_>) {
        let Some(id) = self.wires.dial_of(link) else {
            scene.send(from, Packet::Close { link });
            return;
        };
        let wanted = self.wires.dials.get(&id).is_some_and(|dial| dial.peer.is_none_or(|peer| peer == node));
        if !wanted || node == self.id() {
            scene.send(from, Packet::Close { link });
            self.refused(link, now);
            return;
        }
        if let Some(dial) = self.wires.dials.remove(&id) {
            for (other, host) in dial.tries.into_iter().filter(|(other, _)| *other != link) {
                scene.send(host, Packet::Close { link: other });
            }
        }
        self.wires.add(link, node, from, scene);
        scene.send(from, Packet::Establish { link });
        let connection = Connection { remote: from.control(), attached: true, dialled: Some(id) };
        self.engine.handle_connected(node, connection, now);
    }

    /// The dialler goes on with a connection.
    fn established(&mut self, link: LinkId, now: Timestamp, scene: &mut Scene<'_>) {
        if let Some(Coming { node, host, from }) = self.wires.coming.remove(&link) {
            self.wires.add(link, node, host, scene);
            let connection = Connection { remote: from, attached: true, dialled: None };
            self.engine.handle_connected(node, connection, now);
            self.drain(scene);
        }
    }

    fn refused(&mut self, link: LinkId, now: Timestamp) {
        let Some(id) = self.wires.dial_of(link) else { return };
        let Some(dial) = self.wires.dials.get_mut(&id) else { return };
        dial.tries.remove(&link);
        if dial.tries.is_empty() {
            self.wires.dials.remove(&id);
            self.engine.handle_dial_failed(id, now);
        }
    }

    fn requested(
        &mut self,
        from: HostId,
        link: LinkId,
        number: u64,
        bytes: &[u8],
        now: Timestamp,
        scene: &mut Scene<'_>,
    ) {
        // A request is never there before its connection.
        self.established(link, now, scene);
        let Some(wire) = self.wires.wires.get_mut(&link) else {
            scene.send(from, Packet::Close { link });
            return;
        };
        wire.used = scene.at;
        let node = wire.node;
        self.wires.requests += 1;
        let inbound = InboundId(self.wires.requests);
        self.wires.inbound.insert(inbound, (link, number));
        let source = Connection { remote: from.control(), attached: true, dialled: None };
        self.engine.handle_request(node, source, inbound, bytes, now);
    }

    fn answered(
        &mut self,
        link: LinkId,
        number: u64,
        bytes: Option<Vec<u8>>,
        now: Timestamp,
        scene: &mut Scene<'_>,
    ) {
        let request = RequestId(number);
        if self.wires.asked.get(&request) != Some(&link) {
            return;
        }
        self.wires.asked.remove(&request);
        self.wires.forget_answered();
        if let Some(wire) = self.wires.wires.get_mut(&link) {
            wire.used = scene.at;
        }
        match bytes {
            Some(bytes) => self.engine.handle_response(request, &bytes, Duration::from_millis(1), now),
            None => self.engine.handle_request_failed(request, now),
        }
    }
}
