//! The whole control plane of a node as one machine.
//!
//! # Contract
//! Call one `handle_*`, then drain [`Engine::poll_output`] until it returns `None`, then ask
//! [`Engine::poll_timeout`] when to call [`Engine::handle_timeout`] at the latest. Every deadline that
//! `handle_timeout` acts on is among those that `poll_timeout` reports.
//!
//! What is acknowledged, to a peer or to a user, has been persisted before: the answer waits in the engine until
//! the caller reports the writes durable.

mod admission;
mod around;
mod audit;
mod commands;
mod errand;
mod guests;
mod home;
mod inbound;
mod input;
mod invite;
mod join;
mod load;
mod output;
mod peers;
mod people;
mod persist;
mod policy;
mod reach;
mod renewal;
mod revocation;
mod rewrite;
mod signed_time;
mod tickets;
mod visit;
mod why;

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use self::errand::Errands;
use self::home::{Contacts, Homing};
use self::input::Damaged as DamagedRecord;
pub use self::input::{Connection, Damaged, Finished, OnlineCheck, Setup};
use self::invite::Stretching;
use self::join::{Joining, Stretched};
pub use self::load::{SetupError, restored_mark};
use self::output::ids::Counter;
pub use self::output::{
    ChannelGrant, CommandId, DialId, InboundId, Output, PersistId, RequestId, Work, WorkId,
};
use self::peers::{Courtesy, Peers};
use self::people::People;
use self::persist::Pending;
use self::policy::Policies;
use self::renewal::Renewal;
use self::revocation::Spread;
use self::signed_time::Clock;
pub use self::signed_time::ClockFault;
use self::tickets::Tickets;
use self::visit::Visits;
use crate::certificate::Verified;
use crate::control::MachineId;
use crate::enrolment::{Authority, OwnRequest};
use crate::guest::Guests;
use crate::hello::Addresses;
use crate::identity::{NetworkName, NodeId, NodeKeys};
use crate::keyring::KeyRing;
use crate::label::Digest;
use crate::message::{self, Request};
use crate::snapshot::{Member, Snapshot};
use crate::ticket::TicketId;
use crate::time::Timestamp;

/// A node's control plane. See the [module](self) for how to drive it.
pub struct Engine {
    keys: Arc<NodeKeys>,
    ring: Arc<KeyRing>,
    membership: Membership,
    peers: Peers,
    tickets: Tickets,
    errands: Errands,
    homing: Homing,
    renewal: Renewal,
    spread: Spread,
    policies: Policies,
    people: People,
    guests: Guests,
    visits: Visits,
    contacts: Contacts,
    joining: Option<Joining>,
    stretching: BTreeMap<WorkId, Stretching>,
    pending: BTreeMap<PersistId, Pending>,
    local: Local,
    clock: Clock,
    wires: Wires,
    rng: Box<dyn CryptoRng + Send>,
}

/// What the node is in its network, if it is in one.
#[derive(Default)]
struct Membership {
    member: Option<Arc<Member>>,
    authority: Option<Authority>,
    /// The node that answers for the authority, as the network's member knows it.
    home: Option<NodeId>,
}

/// What is particular to this host.
struct Local {
    addresses: Addresses,
    online_check: OnlineCheck,
    has_aes: bool,
    leaf_life: Duration,
    damaged: Vec<DamagedRecord>,
    /// When the export was made that this state was restored from.
    restored: Option<Timestamp>,
    machine: MachineId,
    /// This node's own request to be admitted, if one is under way.
    own: Option<OwnRequest>,
    /// Certificates that need not be verified again.
    verified: Verified,
    /// The network that a node without one has seen last.
    in_sight: Option<NetworkName>,
}

/// What goes out, and what is on its way.
#[derive(Default)]
struct Wires {
    outputs: VecDeque<Output>,
    sent: BTreeMap<RequestId, Sent>,
    dials: BTreeMap<DialId, Dialling>,
    courtesy: Courtesy,
    next: Counter,
}

/// A request that waits for its answer.
enum Sent {
    /// A greeting, to the peer, with the certificate of this digest.
    Hello(NodeId, Digest),
    /// Which network are you of?
    WhoIs(NodeId),
    /// A step of joining.
    Join(NodeId),
    /// A step of renewal.
    Renewal(NodeId),
    /// A step of an errand.
    Errand(u64),
    /// What this node knows of revocations.
    Revocations(NodeId),
    /// A part of the policy.
    Policy(NodeId),
    /// A step of a visit, to the peer.
    Visit(u64, NodeId),
}

/// A wish to connect that waits for its end.
enum Dialling {
    /// To a known node.
    Peer(NodeId),
    /// To whoever answers at the addresses of a URI.
    Uri,
    /// To whoever answers at an address that the owner has named.
    Contact(SocketAddr),
}

impl Engine {
    /// An engine with what the store holds. On first start it makes the node's keys: drain the outputs at once.
    ///
    /// # Errors
    /// [`SetupError`] if the node's keys or its certificate are damaged: everything else can do without what is
    /// missing.
    pub fn new(setup: Setup, now: Timestamp, rng: Box<dyn CryptoRng + Send>) -> Result<Self, SetupError> {
        load::engine(setup, now, rng)
    }

    /// The node.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.keys.node_id()
    }

    /// The seed of the identity key, for the transport. Whoever holds it is the node.
    #[must_use]
    pub fn identity_seed(&self) -> Zeroizing<[u8; 32]> {
        self.keys.identity.seed()
    }

    /// What the data plane works by; it also comes as [`Output::Snapshot`] whenever it changes.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::new(Snapshot {
            keys: Arc::clone(&self.keys),
            ring: Arc::clone(&self.ring),
            suites: if self.local.has_aes {
                crate::channel::Suites::ALL
            } else {
                crate::channel::Suites::PORTABLE
            },
            member: self.membership.member.clone(),
            revoked_tickets: self.tickets.revoked(),
            guests: self.guest_passwords(),
        })
    }

    /// The records that turned out to be of no use and were left out.
    #[must_use]
    pub fn damaged(&self) -> &[Damaged] {
        &self.local.damaged
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.wires.outputs.pop_front()
    }

    /// When to call [`Engine::handle_timeout`] at the latest, and why.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Timestamp, &'static str)> {
        let ring = Some((self.ring.next_rotation(), "rotate the key ring"));
        let errands = self.errands.next_deadline().map(|time| (time, "give up an errand"));
        let joining =
            self.joining.as_ref().and_then(Joining::next_deadline).map(|time| (time, "go on joining"));
        let homing = self.next_homing().map(|time| (time, "turn to the authority"));
        let member = self.active_member().is_some();
        let contacts = self.contacts.next.filter(|_| member).map(|time| (time, "dial the named addresses"));
        let renewal = self.next_renewal().map(|time| (time, "renew the certificate"));
        let revocation = self.next_revocation();
        let log_out = self.people.next_deadline().map(|time| (time, "end or renew a log-in"));
        let visits = self.visits.next_deadline().map(|time| (time, "go on visiting"));
        let all = [ring, errands, joining, homing, contacts, renewal, revocation, log_out, visits];
        all.into_iter().flatten().min()
    }

    /// Acts on every deadline that has come.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if now >= self.ring.next_rotation() {
            self.ring = Arc::new(self.ring.rotated(now, &mut *self.rng));
            self.tickets.rotated(&self.ring);
            self.publish();
        }
        self.end_log_ins(now);
        self.review_log_ins_if_due(now);
        self.give_up_errands(now);
        self.go_on_joining(now);
        self.renew_if_due(now);
        self.go_on_revoking(now);
        self.go_home_if_due(now);
        self.dial_contacts_if_due(now);
        self.go_on_visiting(now);
    }

    /// Where others reach this node.
    pub fn handle_listening(
        &mut self,
        mut control: Vec<SocketAddr>,
        mut lane: Vec<SocketAddr>,
        now: Timestamp,
    ) {
        control.sort_by_key(usefulness);
        lane.sort_by_key(usefulness);
        self.local.addresses = Addresses { control, lane };
        self.go_home(now);
        self.dial_contacts_if_due(now);
    }

    /// A node was seen on the local network.
    pub fn handle_discovered(&mut self, peer: NodeId, addresses: Vec<SocketAddr>, now: Timestamp) {
        if peer == self.node_id() || !self.peers.seen(peer, addresses, now) {
            return;
        }
        self.visits_look_around(now);
        if self.joining.is_some() {
            self.ask_around(now);
        } else if self.active_member().is_some_and(|member| !member.denies(peer))
            && self.peers.wants_greeting(peer)
            && self.wires.courtesy.take(now)
        {
            self.reach(peer, now);
        }
    }

    /// A connection with `peer` is there; there may be others.
    pub fn handle_connected(&mut self, peer: NodeId, connection: Connection, now: Timestamp) {
        self.peers.connected(peer, connection.remote, connection.dialled.is_some(), now);
        match connection.dialled.and_then(|dial| self.wires.dials.remove(&dial)) {
            Some(Dialling::Uri) => {
                if let Some(dial) = connection.dialled {
                    self.join_uri_connected(dial, peer, now);
                }
            }
            Some(Dialling::Contact(address)) => {
                self.contacts.answered.insert(address, peer);
                self.reach(peer, now);
            }
            Some(Dialling::Peer(_)) => {
                self.peers.dial_ended(peer, None);
                if self.joining.is_some() {
                    self.join_peer_connected(peer, now);
                } else {
                    self.reach(peer, now);
                }
            }
            None => {}
        }
        self.renewal_connected(peer, now);
        self.visits_connected(peer, now);
        self.advance_errands_for(peer, now);
    }

    /// The last connection with `peer` has ended.
    pub fn handle_disconnected(&mut self, peer: NodeId, now: Timestamp) {
        self.peers.disconnected(peer, now);
        self.people.forget(peer);
        self.stop_spreading(peer, now);
        self.lost_touch(peer, now);
        self.advance_errands_for(peer, now);
    }

    /// A wish to connect has failed at every address.
    pub fn handle_dial_failed(&mut self, dial: DialId, now: Timestamp) {
        match self.wires.dials.remove(&dial) {
            Some(Dialling::Peer(peer)) => {
                self.peers.dial_ended(peer, Some(now));
                self.join_dial_failed(peer, now);
                self.renewal_dial_failed(peer, now);
                self.visits_dial_failed(peer, now);
                self.advance_errands_for(peer, now);
            }
            Some(Dialling::Uri) => self.join_uri_failed(dial, now),
            Some(Dialling::Contact(_)) | None => {}
        }
    }

    /// The answer to a request of this node's, and how long it took by a monotonic clock.
    pub fn handle_response(&mut self, request: RequestId, bytes: &[u8], took: Duration, now: Timestamp) {
        let Some(sent) = self.wires.sent.remove(&request) else { return };
        let response = message::parse(bytes).ok();
        match sent {
            Sent::Hello(peer, shown) => self.greeted(peer, shown, response, now),
            Sent::WhoIs(peer) => self.whois_answered(request, peer, response, now),
            Sent::Join(peer) => self.join_answered(request, peer, response, now),
            Sent::Renewal(peer) => self.renewal_answered(request, peer, response, now),
            Sent::Errand(errand) => self.errand_answered(errand, response, took, now),
            Sent::Revocations(peer) => self.pushed(request, peer, response.as_ref(), now),
            Sent::Policy(peer) => self.policy_pushed(request, peer, response.as_ref(), now),
            Sent::Visit(visit, peer) => self.visit_answered(visit, request, peer, response, now),
        }
    }

    /// A request of this node's got no answer.
    pub fn handle_request_failed(&mut self, request: RequestId, now: Timestamp) {
        match self.wires.sent.remove(&request) {
            Some(Sent::Hello(peer, shown)) => self.greeted(peer, shown, None, now),
            Some(Sent::WhoIs(peer)) => self.whois_answered(request, peer, None, now),
            Some(Sent::Join(peer)) => self.join_answered(request, peer, None, now),
            Some(Sent::Renewal(peer)) => self.renewal_answered(request, peer, None, now),
            Some(Sent::Errand(errand)) => self.errand_answered(errand, None, Duration::ZERO, now),
            Some(Sent::Revocations(peer)) => self.pushed(request, peer, None, now),
            Some(Sent::Policy(peer)) => self.policy_pushed(request, peer, None, now),
            Some(Sent::Visit(visit, peer)) => self.visit_answered(visit, request, peer, None, now),
            None => {}
        }
    }

    /// A computation has ended.
    pub fn handle_work(&mut self, id: WorkId, finished: Finished, now: Timestamp) {
        let Finished::Stretched(secret) = finished;
        match self.stretching.remove(&id) {
            Some(Stretching::Invite(invite)) => self.add_invite(invite, secret, now),
            Some(Stretching::JoinCode) => self.join_stretched(id, Stretched::Code(secret), now),
            Some(Stretching::JoinPassword) => self.join_stretched(id, Stretched::Password(secret), now),
            Some(Stretching::Network(founding)) => self.begin_network(*founding, Some(secret), now),
            Some(Stretching::Password(command)) => self.set_password(command, secret, now),
            Some(Stretching::LogIn(checking)) => self.password_checked(*checking, &secret, now),
            Some(Stretching::Credential(setting)) => self.credential_stretched(*setting, secret, now),
            Some(Stretching::Guest(setting)) => self.guest_password_stretched(setting, secret, now),
            Some(Stretching::Visit(visit)) => self.visit_stretched(visit, id, &secret, now),
            None => {}
        }
    }

    /// The provider refused a ticket that this node holds: it does not know it, as after its restart, or has taken it
    /// back. It is forgotten.
    pub fn handle_no_ticket(&mut self, ticket: &TicketId, _now: Timestamp) {
        if let Some(place) = self.tickets.place_of(*ticket) {
            self.tickets.held.remove(&place);
            self.persist(load::erase_ticket(&place).into_iter().collect(), Vec::new());
        }
        self.visits.forget_ticket(*ticket);
    }

    fn output(&mut self, output: Output) {
        self.wires.outputs.push_back(output);
    }

    fn publish(&mut self) {
        let snapshot = self.snapshot();
        self.output(Output::Snapshot(snapshot));
    }

    fn request(&mut self, to: NodeId, request: &Request, sent: Sent) -> RequestId {
        let id = RequestId(self.wires.next.next());
        self.wires.sent.insert(id, sent);
        self.output(Output::Request { id, to, message: message::frame(request) });
        id
    }

    fn dial(&mut self, peer: Option<NodeId>, addresses: Vec<SocketAddr>) -> DialId {
        self.dial_for(peer.map_or(Dialling::Uri, Dialling::Peer), peer, addresses)
    }

    fn dial_for(&mut self, purpose: Dialling, peer: Option<NodeId>, addresses: Vec<SocketAddr>) -> DialId {
        let id = DialId(self.wires.next.next());
        self.wires.dials.insert(id, purpose);
        self.output(Output::Connect { id, peer, addresses });
        id
    }
}

/// The order in which a node tells its addresses, of which others keep the first few: what another host on the
/// local network most likely reaches comes first, what is most likely a bridge of this host's own comes last.
fn usefulness(address: &SocketAddr) -> (u8, SocketAddr) {
    let rank = match address.ip() {
        IpAddr::V4(ip) if ip.is_loopback() => 5,
        IpAddr::V4(ip) if ip.is_link_local() => 4,
        IpAddr::V4(ip) if ip.octets()[0] == 172 && ip.is_private() => 3,
        IpAddr::V4(_) => 0,
        IpAddr::V6(ip) if ip.is_loopback() => 5,
        IpAddr::V6(ip) if ip.is_unicast_link_local() => 4,
        IpAddr::V6(ip) if ip.is_unique_local() => 2,
        IpAddr::V6(_) => 1,
    };
    (rank, *address)
}
