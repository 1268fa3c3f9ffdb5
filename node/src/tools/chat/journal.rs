//! Conversations in the store.
//!
//! ```text
//! chat     <peer>             the head: numbers of both directions
//! chat     <peer> ‖ <number>  a line, sent or received, in the order in which it got here
//! outbox   <peer> ‖ <number>  the line is yet to be delivered: nothing, or the person on whose behalf
//! ```
//!
//! A peer is its 32 bytes, a number eight bytes, big-endian, from 1. A line and the head that counts it are one
//! commit, so a number is never given twice and a message never stored twice. A commit that fails may turn out to
//! be there nonetheless: its number is spent, and the head is doubtful until it was read again. Numbers have gaps.
//!
//! Of what peers write so much is kept as the [`Quota`] allows. The line that is beyond it and the older ones that give
//! way to it are one commit. A line that is yet to be delivered gives way to nothing.

use lanyard_protocol::codec;
use lanyard_protocol::identity::{NodeId, NodeName};
use lanyard_protocol::people::Actor;
use lanyard_protocol::record::{Record, Table, Write};
use lanyard_protocol::time::Timestamp;
use rand_core::Rng as _;
use serde::{Deserialize, Serialize};

use super::message::{StreamId, TEXT_MAX};
use super::quota::{self, Quota};
use super::{OUTBOX_MAX, Outbox};
use crate::ambient::OsRng;
use crate::config::ChatLimits;
use crate::store::{Store, StoreError};

/// The longest encoded head or line.
const VALUE_MAX: usize = TEXT_MAX + 256;

/// The longest encoded writer: three names.
const WRITER_MAX: usize = 256;

/// What no conversation counts to. A line with a larger number is damaged, and nothing counts on from it.
const NUMBER_MAX: u64 = 1 << 62;

/// Lines that are read at once to see whether they give way: about as many as one message replaces.
const GIVING_WAY: usize = 8;

/// Lines that are read at once to count them.
const COUNTING: usize = 256;

/// The numbers of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// Names this node's numbering to the peer.
    pub(super) stream: StreamId,
    /// The number of the next line.
    pub(super) next: u64,
    /// The numbering that the peer last used.
    pub(super) peer_stream: StreamId,
    /// The peer's last number in it that is stored here.
    pub(super) received: u64,
    /// Which of the peer's lines are kept.
    kept: Kept,
    /// Whether a commit failed or was left alone, so that the store may say something else.
    #[serde(skip)]
    doubtful: bool,
}

/// What is kept of the lines that the peer wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// All of them have this number or a later one.
    from: u64,
    /// What they count together.
    bytes: u64,
}

/// A head from before [`Kept`].
#[derive(Serialize, Deserialize)]
struct HeadV1 {
    stream: StreamId,
    next: u64,
    peer_stream: StreamId,
    received: u64,
}

impl Head {
    fn new() -> Self {
        let mut stream = StreamId::default();
        OsRng.fill_bytes(&mut stream.0);
        let (peer_stream, kept) = (StreamId::default(), Kept::default());
        Self { stream, next: 1, peer_stream, received: 0, kept, doubtful: false }
    }

    /// The last number of the peer's `stream` that is stored here.
    pub(super) fn received(&self, stream: StreamId) -> u64 {
        if self.peer_stream == stream { self.received } else { 0 }
    }
}

/// Who wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Direction {
    /// This node.
    Sent,
    /// The peer.
    Received,
}

/// One line of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    /// Who wrote it.
    pub(super) direction: Direction,
    /// When, by the writer's clock.
    pub(super) at: Timestamp,
    /// The peer's name at that time.
    pub(super) name: Option<NodeName>,
    /// What.
    pub(super) text: String,
}

/// A record of the chat table, whose first byte is its version and kind.
#[derive(Serialize, Deserialize)]
enum Stored {
    HeadV1(HeadV1),
    LineV1(Line),
    HeadV2(Head),
}

/// The conversations in the store.
#[derive(Debug)]
pub(super) struct Journal {
    store: Store,
    quota: Quota,
}

impl Journal {
    /// The conversations in `store`, which are counted.
    pub(super) fn open(store: Store, limits: &ChatLimits) -> Result<Self, StoreError> {
        let journal = Self { store, quota: Quota::new(limits) };
        for peer in journal.peers(Table::Chat)? {
            journal.head(&peer)?;
        }
        Ok(journal)
    }

    /// The head of the conversation with `peer`; a new one if there is none, as after a restore, or none that can be
    /// read.
    pub(super) fn head(&self, peer: &NodeId) -> Result<Head, StoreError> {
        let head = match self.store.get(Table::Chat, peer.as_bytes()) {
            Ok(None) => None,
            Ok(Some(value)) => match decode(&value) {
                Some(Stored::HeadV2(head)) => Some(head),
                Some(Stored::HeadV1(old)) => Some(old.counted(self.count(peer)?)),
                Some(Stored::LineV1(_)) | None => None,
            },
            Err(error @ StoreError::Corrupt { .. }) => {
                tracing::error!(%error, "the numbering of a conversation begins anew");
                None
            }
            Err(error) => return Err(error),
        };
        let head = head.map_or_else(|| self.head_anew(peer), Ok)?;
        self.quota.set(*peer, head.kept.bytes);
        Ok(head)
    }

    /// A new head for a conversation that may have lines: no number is given twice.
    fn head_anew(&self, peer: &NodeId) -> Result<Head, StoreError> {
        let keys = self.keys(Table::Chat, peer.as_bytes(), &key(peer, 1), usize::MAX)?;
        let counted = keys.iter().filter_map(|key| number_of(key)).filter(|number| *number <= NUMBER_MAX);
        let last = counted.max().unwrap_or_default();
        Ok(Head { next: last + 1, kept: self.count(peer)?, ..Head::new() })
    }

    /// Counts what is kept of the peer's lines.
    fn count(&self, peer: &NodeId) -> Result<Kept, StoreError> {
        let mut kept = Kept::default();
        loop {
            let lines = self.stored(peer, kept.from, COUNTING)?;
            let Some(&(last, _)) = lines.last() else { return Ok(Kept { from: 1, ..kept }) };
            kept.bytes += lines.iter().filter_map(|(_, line)| received_size(line.as_ref())).sum::<u64>();
            kept.from = last + 1;
        }
    }

    /// At most `limit` lines from number `from` on, in order; of those that are damaged the number.
    fn stored(&self, peer: &NodeId, from: u64, limit: usize) -> Result<Vec<(u64, Option<Line>)>, StoreError> {
        let read = self.store.scan(Table::Chat, peer.as_bytes(), &key(peer, from.max(1)), limit)?;
        let readable = read
            .records
            .iter()
            .map(|record| (number_of(&record.key), decode(&record.value).and_then(Stored::line)));
        let damaged = read.damaged.iter().map(|damaged| (number_of(&damaged.key), None));
        let mut lines: Vec<(u64, Option<Line>)> =
            readable.chain(damaged).filter_map(|(number, line)| Some((number?, line))).collect();
        lines.retain(|(number, _)| *number <= NUMBER_MAX);
        lines.sort_by_key(|(number, _)| *number);
        Ok(lines)
    }

    /// The keys of at most `limit` records, readable or not: in the outbox the key is all that counts.
    fn keys(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let read = self.store.scan(table, prefix, from, limit)?;
        for damaged in &read.damaged {
            tracing::error!(%damaged, "a record of the store is damaged");
        }
        let mut keys: Vec<Vec<u8>> = read.records.into_iter().map(|record| record.key).collect();
        keys.extend(read.damaged.into_iter().map(|damaged| damaged.key));
        keys.sort();
        Ok(keys)
    }

    /// Stores a line that was written here, to be delivered on behalf of `actor`, and gives its number.
    pub(super) async fn append_sent(
        &self,
        peer: &NodeId,
        head: &mut Head,
        actor: &Actor,
        line: &Line,
    ) -> Result<u64, StoreError> {
        self.settle(peer, head).await?;
        let number = head.next;
        let next = Head { next: number + 1, ..head.clone() };
        let writer = if *actor == Actor::Node { Vec::new() } else { codec::encode(actor) };
        let waiting = Write::set(Table::Outbox, key(peer, number), writer);
        self.append(peer, line, head, next, vec![waiting]).await?;
        Ok(number)
    }

    /// Stores a line that the peer wrote as its `number` of `stream`, and gives its number here.
    pub(super) async fn append_received(
        &self,
        peer: &NodeId,
        head: &mut Head,
        stream: StreamId,
        number: u64,
        line: &Line,
    ) -> Result<u64, StoreError> {
        self.settle(peer, head).await?;
        let here = head.next;
        let size = quota::size(line);
        let (writes, mut kept) = self.give_way(peer, head.kept, self.quota.before(size))?;
        kept.bytes += size;
        let next = Head { next: here + 1, peer_stream: stream, received: number, kept, ..head.clone() };
        self.append(peer, line, head, next, writes).await?;
        Ok(here)
    }

    /// The writes by which the oldest lines give way until the peer's count no more than `most` together, and what is
    /// kept then. Of this node's own those among them that were delivered go with them.
    fn give_way(&self, peer: &NodeId, mut kept: Kept, most: u64) -> Result<(Vec<Write>, Kept), StoreError> {
        let mut writes = Vec::new();
        while kept.bytes > most {
            let lines = self.stored(peer, kept.from, GIVING_WAY)?;
            if lines.is_empty() {
                // What was counted is damaged or gone.
                kept.bytes = 0;
            }
            for (number, line) in lines {
                if kept.bytes <= most {
                    break;
                }
                kept.bytes = kept.bytes.saturating_sub(received_size(line.as_ref()).unwrap_or_default());
                kept.from = number + 1;
                if self.store.get(Table::Outbox, &key(peer, number))?.is_none() {
                    writes.push(Write::erase(Table::Chat, key(peer, number)));
                }
            }
        }
        Ok((writes, kept))
    }

    /// The peer whose lines have to give way before a line of that peer's, or another's, has room.
    pub(super) fn fullest_without_room(&self, line: &Line) -> Option<NodeId> {
        self.quota.fullest_without_room(quota::size(line))
    }

    /// Has the oldest of the peer's lines give way to `line`, which somebody else wrote.
    pub(super) async fn make_room(
        &self,
        peer: &NodeId,
        head: &mut Head,
        line: &Line,
    ) -> Result<(), StoreError> {
        self.settle(peer, head).await?;
        let most = head.kept.bytes.saturating_sub(quota::size(line));
        let (mut writes, kept) = self.give_way(peer, head.kept, most)?;
        let next = Head { kept, ..head.clone() };
        writes.push(head_write(peer, &next));
        self.commit(peer, writes, head, next).await
    }

    /// Stores the line whose number is the next of a head that is not doubtful, and the head after it.
    async fn append(
        &self,
        peer: &NodeId,
        line: &Line,
        head: &mut Head,
        next: Head,
        also: Vec<Write>,
    ) -> Result<(), StoreError> {
        let line = Stored::LineV1(line.clone());
        let mut writes = vec![
            Write::set(Table::Chat, key(peer, head.next), codec::encode(&line)),
            head_write(peer, &next),
        ];
        writes.extend(also);
        self.commit(peer, writes, head, next).await
    }

    /// Writes what makes `next` the head.
    async fn commit(
        &self,
        peer: &NodeId,
        writes: Vec<Write>,
        head: &mut Head,
        next: Head,
    ) -> Result<(), StoreError> {
        // Spent whatever comes of it, also if nobody waits for this future to its end.
        head.next = next.next;
        head.doubtful = true;
        self.store.commit(writes).await?;
        self.quota.set(*peer, next.kept.bytes);
        *head = next;
        Ok(())
    }

    /// Reads the head again if a failed commit has left it in doubt.
    pub(super) async fn settle(&self, peer: &NodeId, head: &mut Head) -> Result<(), StoreError> {
        if head.doubtful { self.recover(peer, head).await } else { Ok(()) }
    }

    /// Reads the head again, when it is certain which commits there are.
    pub(super) async fn recover(&self, peer: &NodeId, head: &mut Head) -> Result<(), StoreError> {
        // Opens a store that a failure has closed, and ends after every commit that was queued before.
        self.store.commit(Vec::new()).await?;
        let stored = self.head(peer)?;
        head.next = head.next.max(stored.next);
        (head.peer_stream, head.received) = (stored.peer_stream, stored.received);
        head.kept = stored.kept;
        head.doubtful = false;
        Ok(())
    }

    /// At most `limit` lines from number `from` on.
    pub(super) fn lines(
        &self,
        peer: &NodeId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Line)>, StoreError> {
        let read = self.store.scan(Table::Chat, peer.as_bytes(), &key(peer, from.max(1)), limit)?;
        Ok(read.records.iter().filter_map(numbered_line).collect())
    }

    /// At most `limit` lines that are yet to be delivered, from number `from` on.
    pub(super) fn undelivered(
        &self,
        peer: &NodeId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Option<Line>)>, StoreError> {
        self.keys(Table::Outbox, peer.as_bytes(), &key(peer, from), limit)?
            .iter()
            .filter_map(|key| number_of(key))
            .map(|number| Ok((number, self.line(peer, number)?)))
            .collect()
    }

    /// On whose behalf line `number`, which waits, is to be delivered; nothing if that is damaged, and so the line is
    /// nobody's.
    pub(super) fn writer(&self, peer: &NodeId, number: u64) -> Result<Option<Actor>, StoreError> {
        match self.store.get(Table::Outbox, &key(peer, number)) {
            Ok(Some(value)) if value.is_empty() => Ok(Some(Actor::Node)),
            Ok(Some(value)) => Ok(codec::decode::<_, WRITER_MAX>(&value).ok()),
            Ok(None) | Err(StoreError::Corrupt { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Has line `number`, which waits for its writer, wait behind all others: it gets another number, in one commit.
    pub(super) async fn postpone(
        &self,
        peer: &NodeId,
        head: &mut Head,
        number: u64,
        (actor, line): (&Actor, &Line),
    ) -> Result<u64, StoreError> {
        self.settle(peer, head).await?;
        let later = head.next;
        let next = Head { next: later + 1, ..head.clone() };
        let also = vec![
            Write::set(Table::Outbox, key(peer, later), codec::encode(actor)),
            Write::erase(Table::Outbox, key(peer, number)),
            Write::erase(Table::Chat, key(peer, number)),
        ];
        self.append(peer, line, head, next, also).await?;
        Ok(later)
    }

    /// The line `number`, unless it is damaged.
    pub(super) fn line(&self, peer: &NodeId, number: u64) -> Result<Option<Line>, StoreError> {
        match self.store.get(Table::Chat, &key(peer, number)) {
            Ok(value) => Ok(value.as_deref().and_then(decode).and_then(Stored::line)),
            Err(StoreError::Corrupt { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes what was delivered off the outbox.
    pub(super) async fn delivered(&self, peer: &NodeId, numbers: &[u64]) -> Result<(), StoreError> {
        let erased = numbers.iter().map(|number| Write::erase(Table::Outbox, key(peer, *number)));
        self.store.commit(erased.collect()).await
    }

    /// How many messages wait for `peer`, and the first one's number.
    pub(super) fn waiting(&self, peer: &NodeId) -> Result<(usize, Option<u64>), StoreError> {
        let waiting = self.keys(Table::Outbox, peer.as_bytes(), peer.as_bytes(), OUTBOX_MAX)?;
        Ok((waiting.len(), waiting.first().and_then(|key| number_of(key))))
    }

    /// The peers that messages wait for.
    pub(super) fn waiting_peers(&self) -> Result<Vec<NodeId>, StoreError> {
        self.peers(Table::Outbox)
    }

    /// The peers with records in that table.
    fn peers(&self, table: Table) -> Result<Vec<NodeId>, StoreError> {
        let mut peers: Vec<NodeId> = Vec::new();
        let mut from = Vec::new();
        // From one peer to the next: what there is of each is not read. Every step goes forward, whatever the keys are.
        while let Some(key) = self.keys(table, &[], &from, 1)?.pop() {
            let Some(peer) = key.first_chunk::<32>() else {
                from = [key.as_slice(), &[0]].concat();
                continue;
            };
            peers.extend(NodeId::try_from(*peer));
            let Some(next) = successor(*peer) else { break };
            from = next.to_vec();
        }
        Ok(peers)
    }
}

impl HeadV1 {
    fn counted(self, kept: Kept) -> Head {
        let Self { stream, next, peer_stream, received } = self;
        Head { stream, next, peer_stream, received, kept, doubtful: false }
    }
}

impl Stored {
    fn line(self) -> Option<Line> {
        match self {
            Self::LineV1(line) => Some(line),
            Self::HeadV1(_) | Self::HeadV2(_) => None,
        }
    }
}

impl Outbox {
    /// Whether there is nothing to deliver and nothing to find out.
    pub(super) const fn is_idle(&self) -> bool {
        self.waiting == 0 && !self.doubtful
    }

    /// After the first `taken` of the waiting messages were delivered, up to the number `through`.
    pub(super) fn take(&mut self, taken: usize, through: u64) {
        self.waiting = self.waiting.saturating_sub(taken);
        self.delivered = self.delivered.max(through);
    }
}

/// Whether a record of [`Table::Chat`] under `key` numbers a conversation. An older copy of it would number new
/// messages as if they were ones that the peer has already: what restores a store leaves it out, and the numbering
/// begins anew.
pub(crate) const fn is_head(key: &[u8]) -> bool {
    key.len() == 32
}

fn head_write(peer: &NodeId, head: &Head) -> Write {
    Write::set(Table::Chat, *peer.as_bytes(), codec::encode(&Stored::HeadV2(head.clone())))
}

/// What the line counts, if the peer wrote it.
fn received_size(line: Option<&Line>) -> Option<u64> {
    line.filter(|line| line.direction == Direction::Received).map(quota::size)
}

fn decode(value: &[u8]) -> Option<Stored> {
    codec::decode::<Stored, VALUE_MAX>(value).ok()
}

fn numbered_line(record: &Record) -> Option<(u64, Line)> {
    Some((number_of(&record.key)?, decode(&record.value)?.line()?))
}

fn key(peer: &NodeId, number: u64) -> Vec<u8> {
    key_bytes(peer.as_bytes(), number)
}

fn key_bytes(peer: &[u8; 32], number: u64) -> Vec<u8> {
    [peer.as_slice(), &number.to_be_bytes()].concat()
}

/// The peer that comes next in order, if any can.
fn successor(mut peer: [u8; 32]) -> Option<[u8; 32]> {
    let at = peer.iter().rposition(|byte| *byte != u8::MAX)?;
    peer[at] += 1;
    peer[at + 1..].fill(0);
    Some(peer)
}

fn number_of(key: &[u8]) -> Option<u64> {
    key.get(32..)?.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use lanyard_protocol::identity::IdentityKey;

    use super::*;

    fn line(text: &str) -> Line {
        Line { direction: Direction::Sent, at: Timestamp::from_millis(1), name: None, text: text.to_owned() }
    }

    fn journal() -> (tempfile::TempDir, Journal, NodeId) {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(Store::open(dir.path()).unwrap(), &ChatLimits::default()).unwrap();
        (dir, journal, IdentityKey::from_seed(&[1; 32]).node_id())
    }

    /// A text whose record no store takes, so that its commit fails.
    fn unstorable() -> Line {
        line(&"x".repeat(crate::store::MAX_VALUE + 1))
    }

    /// F3: what a failed commit has written may be there after all, so nothing else is given its number.
    #[tokio::test]
    async fn a_failed_commit_has_spent_its_number() {
        let (_dir, journal, peer) = journal();
        let mut head = journal.head(&peer).unwrap();
        assert_eq!(journal.append_sent(&peer, &mut head, &Actor::Node, &line("a")).await.unwrap(), 1);
        journal.append_sent(&peer, &mut head, &Actor::Node, &unstorable()).await.unwrap_err();
        assert_eq!(journal.append_sent(&peer, &mut head, &Actor::Node, &line("b")).await.unwrap(), 3);
        let lines = journal.undelivered(&peer, 1, 10).unwrap();
        assert_eq!(lines, [(1, Some(line("a"))), (3, Some(line("b")))]);
        assert_eq!(journal.head(&peer).unwrap().next, 4);
    }

    /// F3: an append that nobody waits for to its end has spent its number too: it may take effect later.
    #[tokio::test]
    async fn an_abandoned_append_has_spent_its_number() {
        let (_dir, journal, peer) = journal();
        let mut head = journal.head(&peer).unwrap();
        let abandoned = line("a");
        {
            let mut append = core::pin::pin!(journal.append_sent(&peer, &mut head, &Actor::Node, &abandoned));
            assert!(futures::poll!(&mut append).is_pending());
        }
        assert_eq!(journal.append_sent(&peer, &mut head, &Actor::Node, &line("b")).await.unwrap(), 2);
        assert_eq!(journal.undelivered(&peer, 1, 10).unwrap().len(), 2);
    }

    /// F3: after a commit in doubt the store says which of the peer's messages are there.
    #[tokio::test]
    async fn a_doubtful_head_is_read_again() {
        let (_dir, journal, peer) = journal();
        let mut head = journal.head(&peer).unwrap();
        let stream = StreamId([7; 16]);
        journal.append_received(&peer, &mut head, stream, 1, &unstorable()).await.unwrap_err();
        journal.settle(&peer, &mut head).await.unwrap();
        assert_eq!((head.received(stream), head.next), (0, 2));
        let text = line("a");
        {
            let mut append = core::pin::pin!(journal.append_received(&peer, &mut head, stream, 1, &text));
            assert!(futures::poll!(&mut append).is_pending());
        }
        assert_eq!(head.received(stream), 0, "not known yet");
        assert_eq!(journal.append_sent(&peer, &mut head, &Actor::Node, &line("b")).await.unwrap(), 3);
        assert_eq!((head.received(stream), journal.head(&peer).unwrap().received(stream)), (1, 1));
    }

    /// F4: keys that no outbox has, from a damaged disk or somebody's export, neither hold a node up that starts nor
    /// hide the peers that messages wait for.
    #[tokio::test]
    async fn finds_those_who_wait_among_keys_that_are_none() {
        let (_dir, journal, peer) = journal();
        let mut keys = vec![key(&peer, 1), key(&peer, u64::MAX), vec![0], vec![0xff; 32], vec![0xff; 40]];
        keys.push([key(&peer, u64::MAX), vec![0xff; 9]].concat());
        let writes = keys.into_iter().map(|key| Write::set(Table::Outbox, key, Vec::new()));
        journal.store.commit(writes.collect()).await.unwrap();
        let waiting = journal.waiting_peers().unwrap();
        assert_eq!(waiting.iter().filter(|waiting| **waiting == peer).count(), 1, "{waiting:?}");
        assert!(waiting.len() <= 2, "{waiting:?}");
    }

    /// F4: nor does a line of the last number there is end a conversation.
    #[tokio::test]
    async fn counts_on_from_no_number_that_is_none() {
        let (_dir, journal, peer) = journal();
        let mut head = journal.head(&peer).unwrap();
        assert_eq!(journal.append_sent(&peer, &mut head, &Actor::Node, &line("a")).await.unwrap(), 1);
        let last = Write::set(Table::Chat, key(&peer, u64::MAX), Vec::new());
        journal.store.commit(vec![last, Write::erase(Table::Chat, *peer.as_bytes())]).await.unwrap();
        assert_eq!(journal.head(&peer).unwrap().next, 2);
    }

    /// F3, D9: what waits to be delivered gives way to nothing, what was delivered does with what is older and newer, and
    /// a number that gave way is not given again.
    #[tokio::test]
    async fn what_waits_gives_way_to_nothing() {
        let (_dir, journal, peer) = journal_of_a_kibibyte();
        let mut head = journal.head(&peer).unwrap();
        let delivered =
            journal.append_sent(&peer, &mut head, &Actor::Node, &line("delivered")).await.unwrap();
        journal.delivered(&peer, &[delivered]).await.unwrap();
        let waiting = journal.append_sent(&peer, &mut head, &Actor::Node, &line("waiting")).await.unwrap();
        for number in 1..=10 {
            let received = Line { direction: Direction::Received, ..line("received") };
            journal.append_received(&peer, &mut head, StreamId([7; 16]), number, &received).await.unwrap();
        }
        let kept: Vec<u64> =
            journal.lines(&peer, 1, 100).unwrap().iter().map(|(number, _)| *number).collect();
        assert_eq!(kept, [waiting, 10, 11, 12]);
        assert_eq!(journal.undelivered(&peer, 1, 10).unwrap(), [(waiting, Some(line("waiting")))]);
        assert_eq!(journal.head(&peer).unwrap(), head);
    }

    /// F4: what is counted is what is there, also where the head is lost or of an older version, or a line is damaged.
    #[tokio::test]
    async fn counts_what_is_there() {
        let (_dir, journal, peer) = journal_of_a_kibibyte();
        let mut head = journal.head(&peer).unwrap();
        let received = Line { direction: Direction::Received, ..line("received") };
        for number in 1..=3 {
            journal.append_received(&peer, &mut head, StreamId([7; 16]), number, &received).await.unwrap();
        }
        let bytes = head.kept.bytes;
        assert_eq!(bytes, 3 * quota::size(&received));
        journal.store.commit(vec![Write::erase(Table::Chat, *peer.as_bytes())]).await.unwrap();
        assert_eq!(journal.head(&peer).unwrap().kept.bytes, bytes);
        let Head { stream, next, peer_stream, received: last, .. } = head;
        let old = codec::encode(&Stored::HeadV1(HeadV1 { stream, next, peer_stream, received: last }));
        let damaged = Write::set(Table::Chat, key(&peer, 2), vec![0xff]);
        journal.store.commit(vec![Write::set(Table::Chat, *peer.as_bytes(), old), damaged]).await.unwrap();
        let mut head = journal.head(&peer).unwrap();
        assert_eq!((head.next, head.received(StreamId([7; 16]))), (4, 3));
        assert_eq!(head.kept.bytes, 2 * quota::size(&received));
        for number in 4..=20 {
            journal.append_received(&peer, &mut head, StreamId([7; 16]), number, &received).await.unwrap();
        }
        assert_eq!(journal.lines(&peer, 1, 100).unwrap().len(), 3);
    }

    fn journal_of_a_kibibyte() -> (tempfile::TempDir, Journal, NodeId) {
        let dir = tempfile::tempdir().unwrap();
        let per_peer = core::num::NonZeroU32::MIN;
        let limits = ChatLimits { per_peer, ..ChatLimits::default() };
        let journal = Journal::open(Store::open(dir.path()).unwrap(), &limits).unwrap();
        (dir, journal, IdentityKey::from_seed(&[1; 32]).node_id())
    }

    #[test]
    fn peers_have_an_order() {
        assert_eq!(successor([0; 32]).unwrap()[31], 1);
        let mut peer = [7; 32];
        peer[30..].fill(0xff);
        let next = successor(peer).unwrap();
        assert_eq!((&next[..29], &next[29..]), (&[7; 29][..], &[8, 0, 0][..]));
        assert_eq!(successor([0xff; 32]), None);
    }
}
