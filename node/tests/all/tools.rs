//! Chat and files between two nodes, over the local API and with hostile bytes on their channels.

use std::path::{Path, PathBuf};

use core::net::SocketAddr;
use core::num::NonZeroU32;

use lanyard_node::channel::{AnyWire, Channel};
use lanyard_node::config::ChatLimits;
use lanyard_node::tools::chat::message::{StreamId, ToReceiver};
use lanyard_node::{Config, Node};
use lanyard_protocol::codec;
use lanyard_protocol::control::{ChatLine, ChatSent, ChatState, Failure, TransferEvent};
use lanyard_protocol::time::Timestamp;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::{TcpStream, UnixStream};

use crate::{config, init, invite, join, owner};

/// A host: its state outlives its node, and so do its addresses.
pub(crate) struct Host {
    pub(crate) state: TempDir,
    config: Config,
    node: Option<Node>,
}

impl Host {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// A host whose configuration was changed.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let state = tempfile::tempdir().unwrap();
        let mut config = config(state.path());
        change(&mut config);
        let node = Node::start(config.clone()).await.unwrap();
        let listening = node.handle().listening().await.unwrap();
        let config = Config { listen: listening.control, lane: listening.lane[0], ..config };
        Self { state, config, node: Some(node) }
    }

    pub(crate) fn node(&self) -> &Node {
        self.node.as_ref().unwrap()
    }

    pub(crate) async fn stop(&mut self) {
        self.node.take().unwrap().stop().await;
    }

    /// From the next start on.
    pub(crate) fn listen_for_lanes_at(&mut self, address: SocketAddr) {
        self.config.lane = address;
    }

    pub(crate) async fn restart(&mut self) {
        self.node = Some(Node::start(self.config.clone()).await.unwrap());
    }

    /// A request to the local API, and what comes back after the head.
    pub(crate) async fn ask(&self, request: &str, body: &str) -> (u16, BufReader<UnixStream>) {
        let (status, stream) = self.ask_with(request, "Connection: close", body).await;
        (status, stream)
    }

    async fn ask_with(&self, request: &str, header: &str, body: &str) -> (u16, BufReader<UnixStream>) {
        let stream = UnixStream::connect(self.state.path().join("control.sock")).await.unwrap();
        let mut stream = BufReader::new(stream);
        let length = body.len();
        let head = format!(
            "{request} HTTP/1.1\r\nHost: node\r\n{header}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        while line != "\r\n" {
            line.clear();
            stream.read_line(&mut line).await.unwrap();
        }
        (status, stream)
    }

    pub(crate) async fn answer<T: serde::de::DeserializeOwned>(&self, request: &str, body: &str) -> T {
        let (status, mut stream) = self.ask(request, body).await;
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert_eq!(status, 200, "{request}: {text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    pub(crate) async fn events(&self, request: &str, body: &str) -> Events {
        let (status, stream) = self.ask(request, body).await;
        assert_eq!(status, 200, "{request}");
        Events(stream.lines())
    }

    async fn say(&self, peer: &str, text: &str) -> ChatSent {
        let body = format!(r#"{{"peer":"{peer}","text":"{text}"}}"#);
        self.answer("POST /v1/chat", &body).await
    }

    async fn conversation(&self, peer: &str) -> Vec<ChatLine> {
        self.answer(&format!("GET /v1/chat?peer={peer}&limit=1000"), "").await
    }

    async fn receive(&self, into: &Path, yes: bool) -> Events {
        let body = serde_json::json!({ "into": into, "from": [], "yes": yes, "once": true });
        self.events("POST /v1/receive", &body.to_string()).await
    }

    async fn send(&self, path: &Path, peer: &str) -> Events {
        let body = serde_json::json!({ "peer": peer, "path": path, "name": null });
        self.events("POST /v1/send", &body.to_string()).await
    }

    pub(crate) async fn open(&self, service: &str) -> Channel<AnyWire> {
        self.node().open(&service.parse().unwrap()).await.unwrap().channel
    }
}

/// Server-sent events.
pub(crate) struct Events(Lines<BufReader<UnixStream>>);

impl Events {
    pub(crate) async fn next<T: serde::de::DeserializeOwned>(&mut self) -> Option<T> {
        while let Some(line) = self.0.next_line().await.unwrap() {
            if let Some(data) = line.strip_prefix("data: ") {
                return Some(serde_json::from_str(data).unwrap());
            }
        }
        None
    }

    /// How a transfer ended.
    async fn end(&mut self) -> Result<TransferEvent, Failure> {
        loop {
            match self.next().await.unwrap() {
                done @ TransferEvent::Done { .. } => return Ok(done),
                TransferEvent::Failed(failure) => return Err(failure),
                TransferEvent::Waiting { .. }
                | TransferEvent::Offer { .. }
                | TransferEvent::Progress { .. } => {}
            }
        }
    }
}

/// An authority `office` and a member `till` that know each other.
pub(crate) async fn network() -> (Host, Host) {
    let (office, till) = (Host::start().await, Host::start().await);
    init(office.node()).await;
    let invite = invite(office.node()).await;
    owner(till.node(), join(invite.uri, "till")).await;
    (office, till)
}

fn texts(lines: &[ChatLine]) -> Vec<&str> {
    lines.iter().map(|line| line.text.as_str()).collect()
}

/// R-C5, R-T8: a message to a peer that is there is delivered before the command ends, in both directions.
#[tokio::test]
async fn chat_is_delivered_to_a_peer_that_is_there() {
    let (mut office, mut till) = network().await;
    assert_eq!(till.say("office", "hello").await.state, ChatState::Delivered);
    assert_eq!(office.say("till", "who is there?").await.state, ChatState::Delivered);
    let (at_office, at_till) = (office.conversation("till").await, till.conversation("office").await);
    assert_eq!(texts(&at_office), ["hello", "who is there?"]);
    assert_eq!(texts(&at_till), ["hello", "who is there?"]);
    assert_eq!((at_office[0].from.as_str(), at_office[0].to.as_str()), ("till", "office"));
    assert_eq!(at_office[0].state, ChatState::Received);
    assert_eq!(at_till[0].state, ChatState::Delivered);
    office.stop().await;
    till.stop().await;
}

/// R-C5, F1: messages to a peer that is away are kept, over restarts of either side, and arrive once and in order.
#[tokio::test]
async fn chat_waits_for_a_peer_that_comes_back() {
    let (mut office, mut till) = network().await;
    till.say("office", "0").await;
    office.stop().await;
    for text in ["1", "2", "3"] {
        assert_eq!(till.say("office", text).await.state, ChatState::Queued);
    }
    till.stop().await;
    till.restart().await;
    office.restart().await;
    let mut events = office.events("GET /v1/chat/events?peer=till", "").await;
    let mut lines = office.conversation("till").await;
    while lines.len() < 4 {
        let _: ChatLine = events.next().await.unwrap();
        lines = office.conversation("till").await;
    }
    assert_eq!(texts(&lines), ["0", "1", "2", "3"]);
    assert_eq!(till.say("office", "4").await.state, ChatState::Delivered);
    assert_eq!(texts(&office.conversation("till").await), ["0", "1", "2", "3", "4"]);
    office.stop().await;
    till.stop().await;
}

/// R-C5: messages that both sides write at once all arrive, each side's in one order on both sides.
#[tokio::test]
async fn chat_keeps_its_order_under_load() {
    let (mut office, mut till) = network().await;
    till.say("office", "first").await;
    let (mut at_office, mut at_till) = (
        office.events("GET /v1/chat/events?peer=till", "").await,
        till.events("GET /v1/chat/events?peer=office", "").await,
    );
    futures::future::join_all((0..40).map(|index| {
        let (from, to) = if index % 2 == 0 { (&office, "till") } else { (&till, "office") };
        let text = index.to_string();
        async move { from.say(to, &text).await }
    }))
    .await;
    for events in [&mut at_office, &mut at_till] {
        let (mut received, mut delivered) = (0, 0);
        while received < 20 || delivered < 20 {
            let line: ChatLine = events.next().await.unwrap();
            received += u32::from(line.state == ChatState::Received);
            delivered += u32::from(line.state == ChatState::Delivered);
        }
    }
    let (at_office, at_till) = (office.conversation("till").await, till.conversation("office").await);
    assert_eq!((at_office.len(), at_till.len()), (41, 41));
    for writer in ["office", "till"] {
        let by = |lines: &[ChatLine]| {
            let lines = lines.iter().filter(|line| line.from.as_str() == writer);
            lines.map(|line| line.text.clone()).collect::<Vec<_>>()
        };
        assert_eq!(by(&at_office), by(&at_till));
    }
    office.stop().await;
    till.stop().await;
}

/// D4: a message that is too long is refused where it is written.
#[tokio::test]
async fn refuses_a_message_that_is_too_long() {
    let (mut office, mut till) = network().await;
    for (length, expected) in [(0, 400), (16 << 10, 200), ((16 << 10) + 1, 400)] {
        let body = serde_json::json!({ "peer": "office", "text": "x".repeat(length) });
        let (status, _) = till.ask("POST /v1/chat", &body.to_string()).await;
        assert_eq!(status, expected, "{length}");
    }
    assert_eq!(office.conversation("till").await.len(), 1);
    office.stop().await;
    till.stop().await;
}

/// A frame as the tools write it: its length, then its encoding.
pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    [&u32::try_from(message.len()).unwrap().to_le_bytes(), message].concat()
}

async fn reply(channel: &mut Channel<AnyWire>) -> Vec<u8> {
    let mut length = [0; 4];
    channel.read_exact(&mut length).await.unwrap();
    let mut message = vec![0; u32::from_le_bytes(length) as usize];
    channel.read_exact(&mut message).await.unwrap();
    message
}

/// R-C5: a sender whose confirmation was lost in a cut repeats itself, and is stored once.
#[tokio::test]
async fn a_repeated_message_is_stored_once() {
    let (mut office, mut till) = network().await;
    let text = |number: u8, text: u8| frame(&[1, number, 0, 1, text]);
    let hello = frame(&[&[0][..], &[7; 16]].concat());
    let mut first = till.open("chat@office").await;
    first.write_all(&[hello.clone(), text(1, b'a'), text(2, b'b')].concat()).await.unwrap();
    assert_eq!(reply(&mut first).await, [0, 0], "welcome, nothing is known of this stream");
    assert_eq!((reply(&mut first).await, reply(&mut first).await), (vec![1, 1], vec![1, 2]));
    drop(first);
    let mut again = till.open("chat@office").await;
    again.write_all(&[hello, text(2, b'b'), text(3, b'c')].concat()).await.unwrap();
    assert_eq!(reply(&mut again).await, [0, 2], "welcome, two are known");
    assert_eq!((reply(&mut again).await, reply(&mut again).await), (vec![1, 2], vec![1, 3]));
    assert_eq!(texts(&office.conversation("till").await), ["a", "b", "c"]);
    office.stop().await;
    till.stop().await;
}

/// Says so many messages of 1,024 bytes to `office`, and waits until each is confirmed.
async fn flood(host: &Host, messages: u64) {
    let mut channel = host.open("chat@office").await;
    let hello = ToReceiver::Hello { stream: StreamId([7; 16]) };
    channel.write_all(&frame(&codec::encode(&hello))).await.unwrap();
    assert_eq!(reply(&mut channel).await, [0, 0]);
    for number in 1..=messages {
        let text = format!("{number:01024}");
        let message = ToReceiver::Text { number, at: Timestamp::from_millis(1), text };
        channel.write_all(&frame(&codec::encode(&message))).await.unwrap();
        assert_eq!(reply(&mut channel).await[0], 1, "it is stored");
    }
}

/// D9: a peer that writes without end is confirmed every message and pushes out what it wrote itself; at the limit of all
/// of them the one that has most gives way, and who wrote little is heard with the first word.
#[tokio::test]
async fn a_peer_that_writes_without_end_pushes_out_its_own_messages() {
    let (mut office, mut till) = network().await;
    let mut bakery = Host::start().await;
    owner(bakery.node(), join(invite(office.node()).await.uri, "bakery")).await;
    let [per_peer, in_all] = [16, 24].map(|kib| NonZeroU32::new(kib).unwrap());
    office.config.limits.chat = ChatLimits { per_peer, in_all };
    office.stop().await;
    office.restart().await;
    let remembered = ["remember me", "I do"];
    bakery.say("office", remembered[0]).await;
    office.say("bakery", remembered[1]).await;

    flood(&till, 100).await;
    assert_eq!(texts(&office.conversation("bakery").await), remembered);
    let kept = office.conversation("till").await;
    assert_eq!(kept.len(), 12, "16 KiB of messages that count 1,280 bytes");
    assert_eq!((&kept[0].text[1022..], &kept[11].text[1021..]), ("89", "100"));

    // It counts on after a restart.
    office.stop().await;
    office.restart().await;
    flood(&bakery, 100).await;
    let kept = (office.conversation("till").await, office.conversation("bakery").await);
    assert_eq!(kept.0.len() + kept.1.len(), 19, "24 KiB of such messages");
    assert!(kept.0.len().abs_diff(kept.1.len()) <= 1, "{} and {}", kept.0.len(), kept.1.len());
    assert!(kept.0[kept.0.len() - 1].text.ends_with("100") && kept.1[kept.1.len() - 1].text.ends_with("100"));
    office.stop().await;
    till.stop().await;
    bakery.stop().await;
}

/// D4: what is no message, or one that is too long, ends the channel and stores nothing.
#[tokio::test]
async fn garbage_ends_a_chat() {
    let (mut office, mut till) = network().await;
    let hello = frame(&[&[0][..], &[7; 16]].concat());
    let empty = frame(&[1, 1, 0, 0]);
    for garbage in [vec![0xff; 64], frame(&[9]), frame(&[]), hello.clone(), empty] {
        let mut channel = till.open("chat@office").await;
        channel.write_all(&[hello.clone(), garbage].concat()).await.unwrap();
        assert_eq!(reply(&mut channel).await, [0, 0]);
        let end = channel.receiver.recv().await;
        assert!(matches!(&end, Err(error) if error.is_cut()), "{end:?}");
    }
    assert!(office.conversation("till").await.is_empty());
    office.stop().await;
    till.stop().await;
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// R-C6: files of every size arrive as they were, and both sides name the same hash.
#[tokio::test]
async fn files_arrive_as_they_were_sent() {
    let (mut office, mut till) = network().await;
    let dir = tempfile::tempdir().unwrap();
    let (from, into) = (dir.path().join("report.pdf"), dir.path().join("in"));
    for (round, size) in [0, 1, 65_536, 262_144, 3_000_001].into_iter().enumerate() {
        let content: Vec<u8> = (0..size).map(|index: u32| (index % 251) as u8).collect();
        std::fs::write(&from, &content).unwrap();
        let mut receiving = office.receive(&into, true).await;
        let mut sending = till.send(&from, "office").await;
        let hash = blake3::hash(&content).to_hex().to_string();
        for end in [sending.end().await, receiving.end().await] {
            let Ok(TransferEvent::Done { bytes, blake3, .. }) = end else { panic!("{end:?}") };
            assert_eq!((bytes, &blake3), (u64::from(size), &hash));
        }
        let name = if round == 0 { "report.pdf".into() } else { format!("report ({round}).pdf") };
        assert!(std::fs::read(into.join(name)).unwrap() == content);
    }
    office.stop().await;
    till.stop().await;
}

/// R-C6: without a decision nothing is written; a person's no is told to the sender, and so is a yes.
#[tokio::test]
async fn the_receiver_decides() {
    let (mut office, mut till) = network().await;
    let dir = tempfile::tempdir().unwrap();
    let (from, into) = (dir.path().join("a.txt"), dir.path().join("in"));
    std::fs::write(&from, b"hello").unwrap();
    let mut receiving = office.receive(&into, false).await;
    for accept in [false, true] {
        let mut sending = till.send(&from, "office").await;
        let Some(TransferEvent::Offer { id, from, path, total }) = receiving.next().await else { panic!() };
        assert_eq!((from.as_str(), path.as_str(), total), ("till", "a.txt", 5));
        let status: serde_json::Value = office.answer("GET /v1/status", "").await;
        assert_eq!(
            (&status["pending"][0]["kind"], &status["pending"][0]["id"]),
            (&"offer".into(), &id.clone().into())
        );
        assert!(files(&into).is_empty());
        let body = format!(r#"{{"accept":{accept}}}"#);
        let (status, _) = office.ask(&format!("POST /v1/offers/{id}"), &body).await;
        assert_eq!(status, 204);
        match sending.end().await {
            Ok(_) => assert!(accept),
            Err(failure) => assert_eq!((accept, failure.code.exit_code()), (false, 4), "{failure}"),
        }
    }
    assert!(receiving.end().await.is_ok());
    assert_eq!(std::fs::read(into.join("a.txt")).unwrap(), b"hello");
    office.stop().await;
    till.stop().await;
}

/// R-C6: what is accepted while nobody receives goes into the node's inbox, and nowhere if it has none.
#[tokio::test]
async fn an_accepted_file_goes_into_the_inbox() {
    let (mut office, mut till) = network().await;
    let dir = tempfile::tempdir().unwrap();
    let (from, inbox) = (dir.path().join("a.txt"), dir.path().join("in"));
    std::fs::write(&from, b"hello").unwrap();
    for (configured, expected) in [(None, 400), (Some(inbox.clone()), 204)] {
        office.stop().await;
        office.config.inbox = configured;
        office.restart().await;
        let mut sending = till.send(&from, "office").await;
        let event = sending.next().await;
        assert!(matches!(event, Some(TransferEvent::Waiting { .. })), "{event:?}");
        let offers: Vec<TransferEvent> = office.answer("GET /v1/offers", "").await;
        let [TransferEvent::Offer { id, .. }] = offers.as_slice() else { panic!("{offers:?}") };
        let (status, _) = office.ask(&format!("POST /v1/offers/{id}"), r#"{"accept":true}"#).await;
        assert_eq!(status, expected);
        if status == 204 {
            assert!(sending.end().await.is_ok());
        }
    }
    assert_eq!(std::fs::read(inbox.join("a.txt")).unwrap(), b"hello");
    office.stop().await;
    till.stop().await;
}

fn offer(name: &str, size: u8) -> Vec<u8> {
    let mut message = vec![1];
    message.extend([7; 16]);
    message.push(u8::try_from(name.len()).unwrap());
    message.extend(name.as_bytes());
    message.push(size);
    frame(&message)
}

fn complete(content: &[u8]) -> Vec<u8> {
    frame(&[&[0], blake3::hash(content).as_bytes().as_slice()].concat())
}

/// H1: a name that leaves the folder, hides or deceives is declined before anybody is asked.
#[tokio::test]
async fn declines_names_that_are_not_safe() {
    let (mut office, mut till) = network().await;
    for name in ["../x", "/etc/x", ".ssh", "a\u{202e}b", "CON", "x\n", ""] {
        let mut channel = till.open("file@office").await;
        channel.write_all(&offer(name, 5)).await.unwrap();
        assert_eq!(reply(&mut channel).await, [1, 3], "{name:?}");
    }
    office.stop().await;
    till.stop().await;
}

/// D3, H3: too few bytes, too many, other bytes, or a cut: an error on both sides, and nothing is left.
#[tokio::test]
async fn a_file_that_is_not_what_was_offered_is_not_kept() {
    let (mut office, mut till) = network().await;
    let dir = tempfile::tempdir().unwrap();
    let into = dir.path().join("in");
    let size = |actual: u8| vec![3, 0, 5, actual];
    let more = [b"hello, world", complete(b"hello, world").as_slice()].concat();
    let other = [b"hellO", complete(b"hello").as_slice()].concat();
    let cases = [
        ("few", b"hel".to_vec(), true, Some(size(3))),
        ("many", more, false, Some(size(6))),
        ("other", other, false, Some(vec![3, 1])),
        ("cut", b"hel".to_vec(), false, None),
    ];
    for (case, bytes, close, expected) in cases {
        let mut receiving = office.receive(&into, true).await;
        let mut channel = till.open("file@office").await;
        channel.write_all(&offer("a.txt", 5)).await.unwrap();
        assert_eq!(reply(&mut channel).await, [0], "{case}");
        channel.write_all(&bytes).await.unwrap();
        if close {
            channel.sender.close().await.unwrap();
        }
        match expected {
            Some(expected) => assert_eq!(reply(&mut channel).await, expected, "{case}"),
            None => drop(channel),
        }
        let failure = receiving.end().await.unwrap_err();
        assert_eq!(failure.code.exit_code(), if case == "cut" { 5 } else { 7 }, "{case}: {failure}");
        assert!(files(&into).is_empty(), "{case}: {:?}", files(&into));
    }
    office.stop().await;
    till.stop().await;
}

/// H3: transfers that fail, however many, do not end a reception of many files.
#[tokio::test]
async fn a_failed_transfer_does_not_stop_the_others() {
    let (mut office, mut till) = network().await;
    let dir = tempfile::tempdir().unwrap();
    let (from, into) = (dir.path().join("a.txt"), dir.path().join("in"));
    std::fs::write(&from, b"hello").unwrap();
    let body = serde_json::json!({ "into": into, "from": [], "yes": true, "once": false });
    let mut receiving = office.events("POST /v1/receive", &body.to_string()).await;
    for _ in 0..2 {
        let mut channel = till.open("file@office").await;
        channel.write_all(&offer("a.txt", 5)).await.unwrap();
        assert_eq!(reply(&mut channel).await, [0]);
        drop(channel);
        assert_eq!(receiving.end().await.unwrap_err().code.exit_code(), 5);
        assert!(till.send(&from, "office").await.end().await.is_ok());
        assert!(receiving.end().await.is_ok());
    }
    assert_eq!(files(&into), [into.join("a (1).txt"), into.join("a.txt")]);
    office.stop().await;
    till.stop().await;
}

/// R-C8: a program gets a channel through the local API, and its bytes go both ways.
#[tokio::test]
async fn a_program_upgrades_to_a_channel() {
    let (mut office, mut till) = network().await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: lanyard-channel";
    let body = r#"{"service":"chat@office"}"#;
    let (status, mut stream) = till.ask_with("POST /v1/channels", upgrade, body).await;
    assert_eq!(status, 101);
    let hello = frame(&[&[0][..], &[7; 16]].concat());
    stream.write_all(&[hello, frame(&[1, 1, 0, 2, b'h', b'i'])].concat()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer.as_slice(), [frame(&[0, 0]), frame(&[1, 1])].concat());
    assert_eq!(texts(&office.conversation("till").await), ["hi"]);
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());
    let (status, _) = till.ask("POST /v1/channels", body).await;
    assert_eq!(status, 400, "without the upgrade it is refused");
    office.stop().await;
    till.stop().await;
}

/// D7: an address has eight unproven connections; the ninth is closed at once, all others after three seconds, and
/// nobody is sent a byte. Meanwhile a member on another connection is served.
#[tokio::test]
async fn silent_lanes_are_few_and_short() {
    let (mut office, mut till) = network().await;
    till.say("office", "before").await;
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(TcpStream::connect(office.config.lane).await.unwrap());
    }
    let mut ninth = TcpStream::connect(office.config.lane).await.unwrap();
    let mut bytes = Vec::new();
    ninth.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(till.say("office", "during").await.state, ChatState::Delivered);
    for mut stream in silent {
        stream.read_to_end(&mut bytes).await.unwrap();
    }
    assert!(bytes.is_empty(), "{bytes:?}");
    office.stop().await;
    till.stop().await;
}
