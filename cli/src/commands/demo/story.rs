//! What the demo does, step by step.

use core::time::Duration;
use std::fs::File;
use std::io::{self, BufWriter, Read as _, Write as _};
use std::path::Path;

use lanyard_protocol::certificate::CertificateDer;
use lanyard_protocol::control::{
    Certificates, ChatLine, Code, Initialised, Invite, Revoked, State, Status, Ticket, TransferEvent,
};

use super::Tale;
use super::machine::Machine;
use super::relay::{Record, Relay, dump};
use crate::commands::member;
use crate::error::{Error, Result};
use crate::progress::size;

const QUESTION: &str = "Is the harbour gate open? The code is violet-4711.";
const REPLY: &str = "It is. I changed the code to amber-1147.";
/// Each line of the file has it, so that one line in the clear would be found.
const LINE: &str = "This line of the demo's file must never be seen on the wire.\n";
/// The file's size: some 100 MB.
const FILE_SIZE: u64 = 100_000_000;
/// How long something may take that another process has to do first.
const PATIENCE: Duration = Duration::from_secs(10);

/// Something that must not pass in the clear.
struct Secret {
    what: &'static str,
    bytes: Vec<u8>,
}

impl Secret {
    fn new(what: &'static str, bytes: impl Into<Vec<u8>>) -> Self {
        Self { what, bytes: bytes.into() }
    }
}

/// Tells it, and does it.
pub(super) async fn tell(tale: &mut Tale, directory: &Path, machines: &mut [Machine; 3]) -> Result {
    let [authority, alice, bob] = machines;
    let control = Relay::start().await?;
    let lane = Relay::start().await?;
    found(tale, authority, &control).await?;
    let invite = join(tale, authority, alice, None).await?;
    join(tale, authority, bob, Some(&lane)).await?;
    enrolment_was_sealed(tale, alice, &control, &invite).await?;
    certificate(tale, directory, alice, bob).await?;
    ticket(tale, alice).await?;
    chat(tale, alice, bob, &lane).await?;
    file(tale, directory, alice, bob, &lane).await?;
    revocation(tale, authority, alice, bob).await?;
    stop(tale, machines).await?;
    tale.end()
}

async fn found(tale: &mut Tale, authority: &mut Machine, control: &Relay) -> Result {
    tale.step("A network and its authority")?;
    let made: Initialised = authority.ask(&["init", "demo.lan", "--name", authority.name]).await?;
    tale.tell(&format!("{} has a CA key of its own, made here. Its fingerprint:", made.network))?;
    tale.tell(&member::groups(&made.fingerprint))?;
    let place = authority.up(None, &[("--advertise", control.address())]).await?;
    control.forward_to(place.control);
    tale.tell(&format!("It listens on {}; others are told {},", place.control, control.address()))?;
    tale.tell("where a listener of the demo records what passes.")?;
    tale.done()
}

async fn join(
    tale: &mut Tale,
    authority: &Machine,
    member: &mut Machine,
    lane: Option<&Relay>,
) -> Result<Invite> {
    tale.step(&format!("{} joins with an invite", member.name))?;
    let invite: Invite = authority.ask(&["invite", "--uri"]).await?;
    tale.tell("The authority gives out an invite, good for one node:")?;
    tale.tell(&invite.uri)?;
    let advertise = lane.map(|relay| ("--advertise-lane", relay.address()));
    let place = member.up(Some(&invite.uri), advertise.as_slice()).await?;
    if let Some(relay) = lane {
        relay.forward_to(place.lane);
    }
    tale.tell(&format!("{} made its keys, asked for a certificate, and has it.", member.name))?;
    tale.done()?;
    Ok(invite)
}

async fn enrolment_was_sealed(tale: &mut Tale, alice: &Machine, control: &Relay, invite: &Invite) -> Result {
    tale.step("What a listener saw of that")?;
    let record = control.record();
    // Connections are negotiated in the clear (multistream-select): a search that misses it would miss all.
    require(record.contains(b"/multistream/1.0.0"), "the listener missed what passes in the clear")?;
    tale.tell("In the clear: /multistream/1.0.0, the first words of every connection.")?;
    let secret =
        invite.uri.split("invite=").nth(1).and_then(|rest| rest.split('&').next()).unwrap_or_default();
    let certificate = alice.lines(&["cert", "export"]).await?;
    let der = CertificateDer::from_pem(&certificate).map_err(|error| wrong(&error.to_string()))?;
    let secrets = [
        Secret::new("the invite's secret", secret),
        Secret::new("the bytes that it stands for", unhex(secret)),
        Secret::new("alice's name in the certificate", "spiffe://demo.lan/entity/demo/node/alice"),
        // Past the signature algorithm and the issuer; long enough to occur once.
        Secret::new("alice's certificate", der.as_bytes()[64..128].to_vec()),
    ];
    overheard(tale, &record, &secrets)?;
    tale.done()
}

async fn certificate(tale: &mut Tale, directory: &Path, alice: &Machine, bob: &Machine) -> Result {
    tale.step("What the certificate says")?;
    let shown: Certificates = alice.ask(&["cert", "show"]).await?;
    tale.tell(&format!("{}, serial {}", shown.spiffe_id, shown.serial))?;
    tale.tell(&format!("from {} until {}", shown.not_before.0, shown.not_after.0))?;
    let pem = directory.join("bob.pem");
    std::fs::write(&pem, bob.lines(&["cert", "export"]).await?).map_err(|error| disk(&error))?;
    alice.lines(&["cert".as_ref(), "verify".as_ref(), pem.as_os_str()]).await?;
    tale.tell("alice verifies bob's certificate against the authority's: it holds.")?;
    tale.done()
}

async fn ticket(tale: &mut Tale, alice: &Machine) -> Result {
    tale.step("A session ticket")?;
    let ticket: Ticket = alice.ask(&["ticket", "get", "chat@bob"]).await?;
    tale.tell(&format!("bob verified alice's certificate and minted ticket {},", ticket.id))?;
    tale.tell(&format!(
        "sealed to alice's key: {} at {} until {}.",
        ticket.service, ticket.provider, ticket.expires.0
    ))?;
    tale.tell("Its secret is the key material of every channel that it opens.")?;
    tale.done()
}

async fn chat(tale: &mut Tale, alice: &Machine, bob: &Machine, lane: &Relay) -> Result {
    tale.step("A chat")?;
    alice.lines(&["chat", "bob", "-m", QUESTION]).await?;
    arrives(bob, "alice", QUESTION).await?;
    tale.tell(&format!("alice: {QUESTION}"))?;
    bob.lines(&["chat", "alice", "-m", REPLY]).await?;
    arrives(alice, "bob", REPLY).await?;
    tale.tell(&format!("bob:   {REPLY}"))?;
    tale.tell("What a listener between them saw:")?;
    overheard(
        tale,
        &lane.record(),
        &[Secret::new("the question", QUESTION), Secret::new("its code", "violet-4711")],
    )?;
    tale.done()
}

/// Waits until a message is there.
async fn arrives(at: &Machine, from: &str, text: &str) -> Result {
    let looking = async {
        loop {
            let log: Vec<ChatLine> = at.ask(&["chat", from, "--log"]).await?;
            if log.iter().any(|line| line.from.as_str() == from && line.text == text) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking)
        .await
        .unwrap_or_else(|_| Err(wrong(&format!("{} never got the message of {from}", at.name))))
}

async fn file(tale: &mut Tale, directory: &Path, alice: &Machine, bob: &Machine, lane: &Relay) -> Result {
    tale.step("A file")?;
    let (sent, inbox) = (directory.join("harbour.txt"), directory.join("inbox"));
    blocking({
        let sent = sent.clone();
        move || write_file(&sent)
    })
    .await?;
    let before = lane.record().total();
    let receive = [
        "receive".as_ref(),
        "--once".as_ref(),
        "--from".as_ref(),
        "alice".as_ref(),
        "--into".as_ref(),
        inbox.as_os_str(),
    ];
    let send = ["send".as_ref(), sent.as_os_str(), "bob".as_ref()];
    let (received, reported) = tokio::try_join!(bob.lines(&receive), alice.lines(&send))?;
    let last = reported.lines().last().and_then(|line| serde_json::from_str(line).ok());
    let Some(TransferEvent::Done { bytes, blake3, seconds, .. }) = last else {
        return Err(wrong("the sender did not say that it is done"));
    };
    require(received.contains(&blake3), "the receiver has another hash")?;
    let arrived = inbox.join("harbour.txt");
    require(blocking(move || same(&sent, &arrived)).await?, "the file that arrived is another one")?;
    let rate = size((bytes as f64 / seconds.max(0.001)) as u64);
    tale.tell(&format!(
        "{} from alice to bob in {seconds:.2} s: {rate}/s, through the listener.",
        size(bytes)
    ))?;
    tale.tell(&format!("Byte for byte the same; BLAKE3 {blake3}"))?;
    let record = lane.record();
    require(record.total() - before >= bytes, "the file went another way than through the listener")?;
    overheard(
        tale,
        &record,
        &[Secret::new("a line of the file", LINE.trim_end()), Secret::new("its name", "harbour.txt")],
    )?;
    tale.done()
}

async fn revocation(tale: &mut Tale, authority: &Machine, alice: &Machine, bob: &Machine) -> Result {
    tale.step("bob is lost, and revoked")?;
    let report: Revoked = authority.ask(&["revoke", "bob", "--wait", "--reason", "lost"]).await?;
    let last = report.last_ms.unwrap_or_default();
    tale.tell("The authority takes bob's membership away, and tells everyone who is there:")?;
    tale.tell(&format!("{} of {} has confirmed, after {last} ms.", report.confirmed, report.live))?;
    let told = alice.refused(&["ticket", "get", "chat@bob"]).await?;
    tale.tell(&format!("alice wants a ticket for bob: {}", told.message))?;
    learns(bob).await?;
    let told = bob.refused(&["chat", "alice", "-m", QUESTION]).await?;
    tale.tell(&format!("bob wants to chat with alice: {}", told.message))?;
    let told = bob.refused(&["cert", "renew"]).await?;
    tale.tell(&format!("bob wants another certificate: {}", told.message))?;
    tale.done()
}

/// Waits until a node knows that it is a member no more.
async fn learns(revoked: &Machine) -> Result {
    let looking = async {
        while revoked.ask::<Status>(&["status"]).await?.state != State::Revoked {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    };
    tokio::time::timeout(PATIENCE, looking)
        .await
        .unwrap_or_else(|_| Err(wrong(&format!("{} never learnt that it was revoked", revoked.name))))
}

async fn stop(tale: &mut Tale, machines: &mut [Machine; 3]) -> Result {
    tale.step("All three stop")?;
    for machine in machines.iter_mut().rev() {
        machine.down().await?;
    }
    tale.tell("Each wrote what it knows to disk and ended by itself.")?;
    tale.done()
}

/// Shows what a listener saw, and searches it for what must not be there.
fn overheard(tale: &Tale, record: &Record, secrets: &[Secret]) -> Result {
    require(record.kept() > 0, "nothing passed the listener")?;
    for line in dump(record.excerpt(64)) {
        tale.tell(&line)?;
    }
    for secret in secrets {
        require(!secret.bytes.is_empty(), "there is nothing to search for")?;
        require(!record.contains(&secret.bytes), &format!("{} passed in the clear", secret.what))?;
    }
    let what: Vec<&str> = secrets.iter().map(|secret| secret.what).collect();
    let (kept, total) = (size(record.kept() as u64), size(record.total()));
    tale.tell(&format!("Searched {kept} of the {total} that passed for {}: not there.", what.join(", ")))
}

/// The bytes of hexadecimal digits.
fn unhex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2).filter_map(|pair| core::str::from_utf8(pair).ok());
    pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect()
}

fn write_file(path: &Path) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create_new(path)?);
    for _ in 0..FILE_SIZE / LINE.len() as u64 {
        file.write_all(LINE.as_bytes())?;
    }
    file.flush()
}

/// Whether two files have the same content.
fn same(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let length = one.read(&mut left)?;
        if length == 0 {
            return Ok(true);
        }
        other.read_exact(&mut right[..length])?;
        if left[..length] != right[..length] {
            return Ok(false);
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other).and_then(|done| done).map_err(|error| disk(&error))
}

fn require(holds: bool, otherwise: &str) -> Result {
    if holds { Ok(()) } else { Err(wrong(otherwise)) }
}

fn wrong(what: &str) -> Error {
    Error::new(
        Code::Data,
        format!("the demo found a fault: {what}"),
        "please report it; `--keep` keeps the states",
    )
}

fn disk(error: &io::Error) -> Error {
    Error::new(Code::Failed, format!("the demo's files: {error}"), "it needs some 200 MB in $TMPDIR")
}
