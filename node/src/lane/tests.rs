//! A member that has a stream and does not play by the rules.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lanyard_protocol::channel::{MESSAGE_1_LEN, Preamble, Suites};
use lanyard_protocol::control::{Admission, Answer, Caller, Command, Init, InviteRequest, Join};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::swarm::{MemberStream, Streams};
use crate::{Config, Node};

struct Members {
    office: Node,
    till: Node,
    /// Channels that a handler was called for.
    called: Arc<AtomicUsize>,
    _states: [TempDir; 2],
}

impl Members {
    async fn new() -> Self {
        let states = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let loopback = "127.0.0.1:0".parse().unwrap();
        let [of_office, of_till] = states.each_ref().map(|state| Config {
            listen: vec![loopback],
            lane: loopback,
            mdns: false,
            // Where nothing answers.
            advertise_lane: Some("127.0.0.1:1".parse().unwrap()),
            ..Config::new(state.path())
        });
        let (office, till) = (Node::start(of_office).await.unwrap(), Node::start(of_till).await.unwrap());
        office.handle().listening().await.unwrap();
        let init = Init {
            network: "shop.lan".parse().unwrap(),
            name: "office".parse().unwrap(),
            admission: Admission::default(),
            password: None,
            weak: false,
            require_login: false,
        };
        office.handle().command(Caller::NODE, Command::Init(init)).await.unwrap();
        let request = Command::Invite(InviteRequest { uses: 1, ttl_s: 60 });
        let Answer::Invite(invite) = office.handle().command(Caller::NODE, request).await.unwrap() else {
            panic!("expected an invite")
        };
        let join = Join::new(Some(invite.uri), "till".parse().unwrap(), None);
        till.handle().command(Caller::NODE, Command::Join(join)).await.unwrap();
        let called = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&called);
        office.serve("chat".parse().unwrap(), move |mut session: Session| {
            count.fetch_add(1, Ordering::Relaxed);
            async move {
                let _ = session.channel.sender.send(b"welcome").await;
                session.channel.receiver.drain().await;
            }
        });
        let members = Self { office, till, called, _states: states };
        members.honest(1).await;
        members
    }

    fn streams(&self) -> Streams {
        self.till.handle().detour().streams().clone()
    }

    async fn stream(&self) -> std::io::Result<MemberStream> {
        let (streams, office) = (self.streams(), self.office.handle().snapshot().node_id());
        let turn = streams.turn(office).await?;
        streams.open(office, &turn).await
    }

    /// A channel as it should be is opened, and it is the `number`th that is.
    async fn honest(&self, number: usize) {
        let mut dialled = self.till.open(&"chat@office".parse().unwrap()).await.unwrap();
        assert_eq!(dialled.channel.receiver.recv().await.unwrap(), Some(&b"welcome"[..]));
        assert_eq!((self.called.load(Ordering::Relaxed), dialled.way), (number, Way::Stream));
    }
}

async fn answer_to(mut stream: MemberStream, bytes: &[u8]) -> Vec<u8> {
    // Whoever is refused may be cut while it still speaks.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

fn unknown_ticket() -> Vec<u8> {
    let (for_service, message_1) = (vec![7; 700], [9; MESSAGE_1_LEN]);
    Preamble { offered: Suites::ALL, for_service, message_1 }.encode().unwrap()
}

/// D9, D11: a member without a ticket gets no channel, whatever it says, cut at whatever byte.
#[tokio::test]
async fn a_member_without_a_ticket_gets_no_channel() {
    let members = Members::new().await;
    let preamble = unknown_ticket();
    let no_ticket = answer_to(members.stream().await.unwrap(), &preamble).await;
    assert_eq!(no_ticket.len(), 1, "{no_ticket:?}");
    for length in (0..preamble.len()).step_by(13).chain(preamble.len() - 50..preamble.len()) {
        let answer = answer_to(members.stream().await.unwrap(), &preamble[..length]).await;
        assert!(answer.is_empty(), "{length}: {answer:?}");
    }
    members.honest(2).await;
}

/// D4: garbage and lengths that cannot be are answered with silence on a stream, too.
#[tokio::test]
async fn garbage_on_a_stream_is_answered_with_silence() {
    let members = Members::new().await;
    let garbage: [&[u8]; 7] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[0],
        &[1, 0, 1, 0],
        &[1, 3, 0, 0],
        &[1, 3, 0xff, 0xff],
        &[0xff; 4096],
        &[0x80, 0, 0, 0, 0, 0, 0, 0],
    ];
    for bytes in garbage {
        let answer = answer_to(members.stream().await.unwrap(), bytes).await;
        assert!(answer.is_empty(), "{answer:?}");
    }
    members.honest(2).await;
}

/// D7: a member has so many silent streams as an address has silent lanes, and they end.
#[tokio::test]
async fn silent_streams_are_few_and_end() {
    let members = Members::new().await;
    let mut silent = Vec::new();
    for _ in 0..LaneLimits::default().pending_per_address.get() {
        silent.push(members.stream().await.unwrap());
    }
    // While they last there is no more; and whoever asks for one is not told why.
    let next = members.stream();
    let ends = async {
        for mut stream in silent {
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            assert!(answer.is_empty());
        }
    };
    let (_, ()) = tokio::join!(next, ends);
    members.honest(2).await;
}
