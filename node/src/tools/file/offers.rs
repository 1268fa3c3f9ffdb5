//! The offers that wait for a decision.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use data_encoding::HEXLOWER;
use lanyard_protocol::control::{Failure, Pending, TransferEvent};
use lanyard_protocol::identity::{NodeId, NodeName};
use rand_core::Rng as _;
use tokio::sync::{mpsc, oneshot, watch};

use super::inbox::Inbox;
use super::name::SafeName;
use super::no_offer;
use crate::ambient::OsRng;

/// How many offers wait in all. 64: a person looks at each of them.
const OFFERS_MAX: usize = 64;

/// How many offers of one peer wait, so that no peer fills the table.
const OFFERS_PER_PEER: usize = 8;

/// What is offered.
#[derive(Clone, Debug)]
pub(super) struct Offered {
    /// The offer's id here: 32 hexadecimal digits, of this node's choosing.
    pub(super) id: String,
    /// Who offers.
    pub(super) peer: NodeId,
    /// The peer's name.
    pub(super) from: NodeName,
    /// The name that the file will have.
    pub(super) name: SafeName,
    /// Its size.
    pub(super) size: u64,
}

impl Offered {
    pub(super) fn new(peer: NodeId, from: NodeName, name: SafeName, size: u64) -> Self {
        let mut id = [0; 16];
        OsRng.fill_bytes(&mut id);
        Self { id: HEXLOWER.encode(&id), peer, from, name, size }
    }

    pub(super) fn to_event(&self) -> TransferEvent {
        TransferEvent::Offer {
            id: self.id.clone(),
            from: self.from.clone(),
            path: self.name.to_string(),
            total: self.size,
        }
    }

    pub(super) fn to_pending(&self) -> Pending {
        let name = format!("{} from {}, {} bytes", self.name, self.from, self.size);
        Pending { kind: "offer".to_owned(), id: self.id.clone(), name, fingerprint: None }
    }
}

/// The decision on an offer.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Put it there, and tell these.
    Take {
        /// The folder.
        inbox: Arc<Inbox>,
        /// Who watches. When they go away, the transfer ends.
        events: mpsc::Sender<TransferEvent>,
    },
    /// Say no.
    Decline,
}

struct Entry {
    offered: Offered,
    verdict: oneshot::Sender<Verdict>,
    /// Who was shown it, and is told the id when a person accepts it.
    shown_to: Option<mpsc::Sender<String>>,
}

/// The table of offers.
pub(super) struct Offers {
    table: Arc<Mutex<BTreeMap<String, Entry>>>,
    changed: watch::Sender<()>,
}

/// An offer in the table, taken off it when dropped.
pub(super) struct Standing {
    table: Arc<Mutex<BTreeMap<String, Entry>>>,
    id: String,
    verdict: oneshot::Receiver<Verdict>,
}

impl Offers {
    pub(super) fn new() -> Self {
        Self { table: Arc::default(), changed: watch::Sender::new(()) }
    }

    /// Puts an offer into the table, unless that is full or the peer has its share of it.
    pub(super) fn put(&self, offered: Offered) -> Option<Standing> {
        let mut table = lock(&self.table);
        let of_peer = table.values().filter(|entry| entry.offered.peer == offered.peer).count();
        if table.len() >= OFFERS_MAX || of_peer >= OFFERS_PER_PEER {
            return None;
        }
        let (verdict, decided) = oneshot::channel();
        let id = offered.id.clone();
        table.insert(id.clone(), Entry { offered, verdict, shown_to: None });
        drop(table);
        self.changed.send_replace(());
        Some(Standing { table: Arc::clone(&self.table), id, verdict: decided })
    }

    /// Told whenever an offer comes.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// All offers.
    pub(super) fn list(&self) -> Vec<Offered> {
        lock(&self.table).values().map(|entry| entry.offered.clone()).collect()
    }

    /// The offers that `viewer` was not shown and nobody else looks at; from now on it is shown them.
    pub(super) fn show(&self, viewer: &mpsc::Sender<String>) -> Vec<Offered> {
        let mut table = lock(&self.table);
        let unseen =
            table.values_mut().filter(|entry| entry.shown_to.as_ref().is_none_or(mpsc::Sender::is_closed));
        unseen
            .map(|entry| {
                entry.shown_to = Some(viewer.clone());
                entry.offered.clone()
            })
            .collect()
    }

    /// Tells whoever was shown the offer that it is accepted; false if nobody is there.
    pub(super) fn accept_where_shown(&self, id: &str) -> Result<bool, Failure> {
        let table = lock(&self.table);
        let entry = table.get(id).ok_or_else(|| no_offer(id))?;
        Ok(entry.shown_to.as_ref().is_some_and(|viewer| viewer.try_send(id.to_owned()).is_ok()))
    }

    /// Decides on an offer; false if it is not there any more.
    pub(super) fn settle(&self, id: &str, verdict: Verdict) -> bool {
        let entry = lock(&self.table).remove(id);
        entry.is_some_and(|entry| entry.verdict.send(verdict).is_ok())
    }
}

impl Standing {
    /// The decision; nothing if the node ends first.
    pub(super) async fn decided(&mut self) -> Option<Verdict> {
        (&mut self.verdict).await.ok()
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        lock(&self.table).remove(&self.id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use lanyard_protocol::identity::IdentityKey;

    use super::super::name::safe_name;
    use super::*;

    fn offered(peer: u8) -> Offered {
        let peer = IdentityKey::from_seed(&[peer; 32]).node_id();
        Offered::new(peer, "till".parse().unwrap(), safe_name("a").unwrap(), 1)
    }

    /// H3: a peer has its share of the table, and the table an end.
    #[test]
    fn the_table_is_bounded() {
        let offers = Offers::new();
        let mut standing: Vec<_> = (0..OFFERS_PER_PEER).map(|_| offers.put(offered(1)).unwrap()).collect();
        assert!(offers.put(offered(1)).is_none());
        for peer in 2..=8 {
            standing.extend((0..OFFERS_PER_PEER).map(|_| offers.put(offered(peer)).unwrap()));
        }
        assert!(offers.put(offered(9)).is_none());
        standing.clear();
        assert!(offers.list().is_empty() && offers.put(offered(9)).is_some());
    }

    #[test]
    fn an_offer_is_shown_to_one_viewer_at_a_time() {
        let offers = Offers::new();
        let _standing = offers.put(offered(1)).unwrap();
        let (first, mut accepted) = mpsc::channel(1);
        let (second, _second) = mpsc::channel(1);
        let shown = offers.show(&first);
        assert_eq!((shown.len(), offers.show(&first).len(), offers.show(&second).len()), (1, 0, 0));
        assert_eq!(offers.accept_where_shown(&shown[0].id), Ok(true));
        assert_eq!(accepted.try_recv(), Ok(shown[0].id.clone()));
        drop(accepted);
        assert_eq!(offers.accept_where_shown(&shown[0].id), Ok(false));
        assert_eq!(offers.show(&second).len(), 1);
    }
}
