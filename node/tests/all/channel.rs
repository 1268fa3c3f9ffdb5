//! Channels over streams that are cut, replayed and altered.

use std::sync::Arc;

use lanyard_node::ambient::{self, Clock, OsRng};
use lanyard_node::channel::handshake::{self, AcceptError, OpenError, Requester};
use lanyard_node::channel::{Batch, Channel, ChannelError, Lease, Wire};
use lanyard_protocol::channel::{
    Binding, ChannelReject, Psk, RECORDS_PER_KEY, ReceiveError, Responder, Suite, Suites,
};
use lanyard_protocol::identity::{IdentityKey, NodeId, SealingKey, Secret, ServiceName};
use lanyard_protocol::time::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

/// What both ends of a channel know, as a ticket would tell them.
pub(crate) struct Ends {
    requester: NodeId,
    provider: NodeId,
    key: SealingKey,
    psk: Psk,
    service: ServiceName,
}

impl Ends {
    pub(crate) fn new() -> Arc<Self> {
        Self::for_service("chat")
    }

    fn for_service(service: &str) -> Arc<Self> {
        let (key, provider) = (SealingKey::from_bytes(&[3; 32]), SealingKey::from_bytes(&[4; 32]));
        let secret = Secret::new([5; 32].into());
        let shared = key.agree(&provider.public_key()).unwrap();
        Arc::new(Self {
            requester: IdentityKey::from_seed(&[1; 32]).node_id(),
            provider: IdentityKey::from_seed(&[2; 32]).node_id(),
            psk: Psk::derive(&secret, &shared, b"terms"),
            key,
            service: service.parse().unwrap(),
        })
    }

    fn binding(&self) -> Binding<'_> {
        Binding {
            for_service: b"for the service",
            terms: b"terms",
            requester: self.requester,
            provider: self.provider,
            service: &self.service,
        }
    }

    pub(crate) async fn open<S: Wire>(&self, stream: S, suites: Suites) -> Result<Channel<S>, OpenError> {
        self.open_with(stream, suites, forever()).await
    }

    pub(crate) async fn open_with<S: Wire>(
        &self,
        stream: S,
        suites: Suites,
        lease: Lease,
    ) -> Result<Channel<S>, OpenError> {
        let requester = Requester { binding: self.binding(), psk: &self.psk, key: &self.key, suites };
        requester.open(stream, lease).await
    }

    pub(crate) async fn accept<S: Wire>(
        &self,
        mut stream: S,
        lease: Lease,
    ) -> Result<Channel<S>, AcceptError> {
        let preamble = handshake::read_preamble(&mut stream).await?;
        let responder = Responder::read(
            &self.binding(),
            &self.psk,
            &self.key.public_key(),
            preamble.offered,
            &preamble.message_1,
            &mut OsRng,
        )?;
        handshake::confirm(stream, responder, Suites::ALL, lease).await
    }

    async fn pair(&self, suites: Suites) -> (Channel<DuplexStream>, Channel<DuplexStream>) {
        let (near, far) = tokio::io::duplex(1 << 20);
        let (near, far) = tokio::join!(self.open(near, suites), self.accept(far, forever()));
        (near.unwrap(), far.unwrap())
    }
}

pub(crate) fn forever() -> Lease {
    Lease::until(Clock::default(), Timestamp::from_millis(u64::MAX))
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 31 % 251) as u8).collect()
}

async fn read_all<S: Wire>(channel: &mut Channel<S>) -> Result<Vec<u8>, ChannelError> {
    let mut all = Vec::new();
    while let Some(bytes) = channel.receiver.recv().await? {
        all.extend_from_slice(bytes);
    }
    Ok(all)
}

/// R-T7: both suites carry bytes of every size, unchanged and in order, to a clean end.
#[tokio::test]
async fn carries_bytes_of_every_size_under_both_suites() {
    for (suites, suite) in [(Suites::ALL, Suite::Aes256Gcm), (Suites::PORTABLE, Suite::ChaCha20Poly1305)] {
        let (mut near, mut far) = Ends::new().pair(suites).await;
        assert_eq!((near.suite(), far.suite()), (suite, suite));
        let sizes = [0, 1, 15, 4096, 65_535, 65_536, 65_537, 300_000, 1_000_000];
        let expected: Vec<u8> = sizes.iter().flat_map(|size| pattern(*size)).collect();
        let (sent, received) = tokio::join!(
            async {
                for size in sizes {
                    near.sender.send(&pattern(size)).await?;
                }
                near.sender.close().await
            },
            read_all(&mut far)
        );
        sent.unwrap();
        assert!(received.unwrap() == expected);
    }
}

#[tokio::test]
async fn batches_are_the_bytes_that_were_filled_in() {
    let (mut near, mut far) = Ends::new().pair(Suites::ALL).await;
    let expected = pattern(700_001);
    let (sent, received) = tokio::join!(
        async {
            let mut rest = expected.as_slice();
            let mut batch = Batch::new();
            while !rest.is_empty() {
                while !rest.is_empty() && !batch.unfilled().is_empty() {
                    let room = batch.unfilled();
                    let taken = room.len().min(rest.len()).min(50_000);
                    room[..taken].copy_from_slice(&rest[..taken]);
                    batch.advance(taken);
                    rest = &rest[taken..];
                }
                near.sender.send_batch(&mut batch).await?;
                assert!(batch.is_empty());
            }
            assert_eq!(near.sender.send_from(&mut &expected[..1000]).await?, 1000);
            near.sender.close().await
        },
        read_all(&mut far)
    );
    sent.unwrap();
    assert!(received.unwrap() == [&expected, &expected[..1000]].concat());
}

/// R-C8: a channel is a byte stream for whoever wants one, half-closed included.
#[tokio::test]
async fn is_a_byte_stream_with_half_close() {
    let (mut near, mut far) = Ends::new().pair(Suites::ALL).await;
    let question = pattern(200_000);
    let (answer, ()) = tokio::join!(
        async {
            near.write_all(&question).await.unwrap();
            near.shutdown().await.unwrap();
            let mut answer = Vec::new();
            near.read_to_end(&mut answer).await.unwrap();
            answer
        },
        async {
            let mut all = Vec::new();
            far.read_to_end(&mut all).await.unwrap();
            all.reverse();
            far.write_all(&all).await.unwrap();
            far.shutdown().await.unwrap();
        }
    );
    assert!(answer.iter().rev().eq(question.iter()));
    assert!(matches!(near.sender.send(b"more").await, Err(ChannelError::Closed)));
}

/// Passes bytes on as they come, `limit` of those that `from` says, then ends both ways.
async fn cut_after(limit: usize, mut from: DuplexStream, mut to: DuplexStream) {
    let (mut left, mut bytes, mut back) = (limit, vec![0; 1024], vec![0; 1024]);
    while left > 0 {
        tokio::select! {
            read = from.read(&mut bytes[..left.min(1024)]) => {
                let Ok(read @ 1..) = read else { return };
                to.write_all(&bytes[..read]).await.unwrap();
                left -= read;
            }
            read = to.read(&mut back) => {
                let Ok(read @ 1..) = read else { return };
                from.write_all(&back[..read]).await.unwrap();
            }
        }
    }
}

/// D3: a stream that is cut at any byte before the end of the close record is reported as cut, and what came before
/// is a prefix of what was said.
#[tokio::test]
async fn a_cut_is_never_an_end() {
    let preamble = 4 + b"for the service".len() + 48;
    let records = 20 + (20 + 5) + (20 + 7) + 20;
    for limit in 0..=preamble + records {
        let ends = Ends::new();
        let (near, inner) = tokio::io::duplex(4096);
        let (outer, far) = tokio::io::duplex(4096);
        tokio::spawn(cut_after(limit, inner, outer));
        let requester = Arc::clone(&ends);
        tokio::spawn(async move {
            let mut near = requester.open(near, Suites::ALL).await?;
            near.sender.send(b"hello").await.ok();
            near.sender.send(b"goodbye").await.ok();
            near.sender.close().await.ok();
            near.receiver.drain().await;
            Ok::<_, OpenError>(())
        });
        let accepted = ends.accept(far, forever()).await;
        assert_eq!(accepted.is_ok(), limit >= preamble + 20, "{limit}");
        let Ok(mut channel) = accepted else { continue };
        let mut said = Vec::new();
        let end = loop {
            match channel.receiver.recv().await {
                Ok(Some(bytes)) => said.extend_from_slice(bytes),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        assert!(b"hellogoodbye".starts_with(said.as_slice()), "{said:?}");
        match end {
            Ok(()) => assert_eq!((limit, said.as_slice()), (preamble + records, &b"hellogoodbye"[..])),
            Err(error) => {
                assert!(error.is_cut() && limit < preamble + records, "{limit}: {error}");
                assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::UnexpectedEof);
            }
        }
    }
}

/// C1: a recorded preamble gets an answer that the recording cannot use, and no channel comes of it.
#[tokio::test]
async fn a_recording_opens_no_channel() {
    let ends = Ends::new();
    let (mut recorded, mut first_records) = (Vec::new(), Vec::new());
    {
        let (near, mut inner) = tokio::io::duplex(4096);
        let (mut outer, far) = tokio::io::duplex(4096);
        let wire = async {
            recorded.resize(4 + b"for the service".len() + 48, 0);
            inner.read_exact(&mut recorded).await.unwrap();
            outer.write_all(&recorded).await.unwrap();
            let mut reply = [0; 50];
            outer.read_exact(&mut reply).await.unwrap();
            inner.write_all(&reply).await.unwrap();
            first_records.resize(20, 0);
            inner.read_exact(&mut first_records).await.unwrap();
            outer.write_all(&first_records).await.unwrap();
        };
        let (opened, accepted, ()) =
            tokio::join!(ends.open(near, Suites::ALL), ends.accept(far, forever()), wire);
        assert!(opened.is_ok() && accepted.is_ok());
    }
    let (mut near, far) = tokio::io::duplex(4096);
    near.write_all(&recorded).await.unwrap();
    near.write_all(&first_records).await.unwrap();
    let replayed = ends.accept(far, forever()).await;
    assert!(
        matches!(replayed, Err(AcceptError::Unconfirmed(ReceiveError::Forged { number: 0 }))),
        "{replayed:?}"
    );
}

/// C3: a ticket of one service does not open a channel to another on the same node.
#[tokio::test]
async fn a_ticket_of_another_service_opens_nothing() {
    let (near, far) = tokio::io::duplex(4096);
    let (chat, file) = (Ends::for_service("chat"), Ends::for_service("file"));
    let (opened, accepted) = tokio::join!(chat.open(near, Suites::ALL), file.accept(far, forever()));
    assert!(matches!(accepted, Err(AcceptError::Handshake(_))), "{accepted:?}");
    assert!(matches!(opened, Err(OpenError::Io(_))), "{opened:?}");
}

/// D4: garbage and impossible lengths are refused at the first byte that shows it, and answered with silence.
#[tokio::test]
async fn garbage_is_answered_with_silence() {
    let garbage: [&[u8]; 6] =
        [b"GET / HTTP/1.1\r\n\r\n", &[0], &[1, 0, 1, 0], &[1, 3, 0, 0], &[1, 3, 0xff, 0xff], &[0x16, 3, 1]];
    for bytes in garbage {
        let (mut near, far) = tokio::io::duplex(4096);
        near.write_all(bytes).await.unwrap();
        let accepted = Ends::new().accept(far, forever()).await;
        assert!(matches!(accepted, Err(AcceptError::Preamble(_))), "{accepted:?}");
        let mut answer = Vec::new();
        near.read_to_end(&mut answer).await.unwrap();
        assert!(answer.is_empty(), "{answer:?}");
    }
}

/// D1, D2, D4: an altered, repeated, reordered or overlong record ends the channel, and nothing of it is seen.
#[tokio::test]
async fn altered_records_end_the_channel() {
    let record = |text: &'static [u8]| text;
    for attack in ["flip", "repeat", "drop", "long"] {
        let ends = Ends::new();
        let (near, mut inner) = tokio::io::duplex(4096);
        let (mut outer, far) = tokio::io::duplex(4096);
        let (near, far, ()) =
            tokio::join!(ends.open(near, Suites::ALL), ends.accept(far, forever()), async {
                let mut preamble = vec![0; 4 + b"for the service".len() + 48];
                inner.read_exact(&mut preamble).await.unwrap();
                outer.write_all(&preamble).await.unwrap();
                let mut reply = [0; 50];
                outer.read_exact(&mut reply).await.unwrap();
                inner.write_all(&reply).await.unwrap();
                let mut first = [0; 20];
                inner.read_exact(&mut first).await.unwrap();
                outer.write_all(&first).await.unwrap();
            });
        let (mut near, mut far) = (near.unwrap(), far.unwrap());
        near.sender.send(record(b"one")).await.unwrap();
        near.sender.send(record(b"two")).await.unwrap();
        let mut records = [0; 46];
        inner.read_exact(&mut records).await.unwrap();
        let (one, two) = records.split_at(23);
        let (sent, good) = match attack {
            "flip" => {
                let mut flipped = two.to_vec();
                flipped[5] ^= 1;
                ([one, &flipped].concat(), 1)
            }
            "repeat" => ([one, one, two].concat(), 1),
            "drop" => (two.to_vec(), 0),
            _ => ([one, &[0, 1, 0, 1], two].concat(), 1),
        };
        outer.write_all(&sent).await.unwrap();
        for _ in 0..good {
            assert_eq!(far.receiver.recv().await.unwrap(), Some(&b"one"[..]));
        }
        for _ in 0..2 {
            let refused = far.receiver.recv().await;
            assert!(matches!(refused, Err(ChannelError::Record(_))), "{attack}: {refused:?}");
        }
    }
}

/// C4: at a change of keys the ticket is looked at again, on both sides, and a batch may straddle the change.
#[tokio::test]
async fn a_long_channel_changes_keys_while_its_ticket_holds() {
    let ends = Ends::new();
    for revoked in [false, true] {
        let (near, far) = tokio::io::duplex(1 << 20);
        let lease =
            if revoked { Lease::new(Clock::default(), |_| Err(ChannelReject::Revoked)) } else { forever() };
        let (near, far) = tokio::join!(ends.open(near, Suites::ALL), ends.accept(far, lease));
        let (mut near, mut far) = (near.unwrap(), far.unwrap());
        // One record is used up by the handshake; a batch of four straddles the last one that the key may seal.
        let singles = usize::try_from(RECORDS_PER_KEY).unwrap() - 4;
        let expected = pattern(Batch::CAPACITY);
        let sending = async {
            for _ in 0..singles {
                near.write_all(b"x").await?;
            }
            let mut batch = Batch::new();
            while !batch.unfilled().is_empty() {
                let filled = batch.len();
                let room = batch.unfilled();
                let length = room.len();
                room.copy_from_slice(&expected[filled..filled + length]);
                batch.advance(length);
            }
            near.sender.send_batch(&mut batch).await?;
            near.shutdown().await
        };
        let (_sent, received) = tokio::join!(sending, async {
            let received = read_all(&mut far).await;
            drop(far);
            received
        });
        match received {
            Ok(bytes) => {
                assert!(!revoked);
                assert_eq!(bytes.len(), singles + expected.len());
                assert!(bytes[singles..] == expected);
            }
            Err(error) => {
                assert!(revoked, "{error}");
                assert!(matches!(error, ChannelError::Ended(ChannelReject::Revoked)), "{error}");
            }
        }
    }
    assert!(ambient::now() > Timestamp::default());
}

/// G6: a channel that is printed shows nothing of what was said on it.
#[tokio::test]
async fn a_channel_prints_nothing_that_was_said() {
    let (mut near, mut far) = Ends::new().pair(Suites::ALL).await;
    near.sender.send(&[171; 1000]).await.unwrap();
    assert_eq!(far.receiver.peek().await.unwrap().len(), 1000);
    let mut batch = Batch::new();
    batch.unfilled()[..1000].fill(171);
    batch.advance(1000);
    for printed in [format!("{near:?}"), format!("{far:?}"), format!("{batch:?}")] {
        assert!(!printed.contains("171, 171"), "{} bytes", printed.len());
    }
}
