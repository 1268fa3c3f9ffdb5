//! Sealed files: their headers, which take this node's keys, and their contents, which do not.
//!
//! A header is made and believed from the node's snapshot. What it gives are the keys of one file, with which any
//! process writes or reads the content as a stream, in two chunks of memory.

use std::io::{self, Read, Write};

use lanyard_protocol::certificate::{CertificateDer, Role, VerifiedCertificate, verify};
use lanyard_protocol::control::{
    Answer, Caller, Code, Command, Failure, HeaderToOpen, HeaderToSeal, OpenedHeader, PeerRef, RoleName,
    SealedHeader, Time,
};
use lanyard_protocol::envelope::{
    self, CHUNK_HEAD, CHUNK_MAX, CHUNK_PAYLOAD, ContentError, ContentOpener, ContentSealer, HeaderError,
    PREFIX_LEN, RECEIVERS_MAX,
};
use lanyard_protocol::identity::ContentKey;

use crate::ambient::OsRng;
use crate::handle::Handle;

/// Why a sealed file was not written or read to its end.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// What is to be sealed or opened cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[source] io::Error),
    /// What comes out cannot be written.
    #[error("cannot be written: {0}")]
    Write(#[source] io::Error),
    /// It does not begin as sealed files do.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// It does not go on as it was sealed. What was written until then is good as far as it goes.
    #[error(transparent)]
    Content(#[from] ContentError),
}

/// Makes the header of a file, in this node's name. A receiver whose certificate is not known here is looked up.
///
/// # Errors
/// A [`Failure`]: no such peer, no certificate of it in reach, or this node is no member now.
pub async fn seal_header(handle: &Handle, wanted: HeaderToSeal) -> Result<SealedHeader, Failure> {
    if wanted.to.is_empty() || wanted.to.len() > RECEIVERS_MAX {
        return Err(failure(&HeaderError::Receivers(wanted.to.len())));
    }
    let mut receivers = Vec::with_capacity(wanted.to.len());
    for peer in wanted.to {
        receivers.push(certificate_of(handle, peer).await?);
    }
    let sealed = envelope::seal(&handle.snapshot(), &receivers, handle.now(), &mut OsRng);
    let envelope::SealedHeader { header, key, signer } = sealed.map_err(|error| failure(&error))?;
    Ok(SealedHeader { header, key, signer: signer.to_secret() })
}

async fn certificate_of(handle: &Handle, peer: PeerRef) -> Result<VerifiedCertificate, Failure> {
    let unusable = |what: String| Failure::new(Code::Data, what, "get it anew: `lanyard ping` that peer");
    let answer = handle.command(Caller::NODE, Command::CertificateOf(peer.clone())).await?;
    let Answer::CertificateOf(answer) = answer else {
        return Err(Failure::new(Code::Failed, format!("no certificate: {answer:?}"), "report it"));
    };
    let snapshot = handle.snapshot();
    let anchor = snapshot.anchor().ok_or_else(|| failure(&HeaderError::NotMember))?;
    CertificateDer::from_pem(&answer.certificate)
        .and_then(|der| verify(anchor, &der, handle.now()))
        .map_err(|error| unusable(format!("{peer}: {error}")))
}

/// Believes a header, and gives the keys of what follows it.
///
/// # Errors
/// A [`Failure`]: not a sealed file, not for this node, not of a member of this network.
pub fn open_header(handle: &Handle, wanted: &HeaderToOpen) -> Result<OpenedHeader, Failure> {
    let now = handle.now();
    let opened = envelope::open(&handle.snapshot(), &wanted.header, now).map_err(|error| failure(&error))?;
    let (sealed_at, receivers) = (Time(opened.sealed_at()), opened.receivers().to_vec());
    let sender = opened.sender().clone();
    let (key, signer) = opened.into_keys();
    Ok(OpenedHeader {
        name: sender.name().clone(),
        id: sender.node_id(),
        entity: sender.entity().clone(),
        network: sender.network().clone(),
        role: match sender.role() {
            Role::Authority => RoleName::Authority,
            Role::Member => RoleName::Member,
        },
        sealed_at,
        not_after: Time(sender.not_after()),
        expired: sender.check_time(now).is_err(),
        receivers,
        key,
        signer,
    })
}

/// A refusal as a user is told it.
#[must_use]
pub fn failure(error: &HeaderError) -> Failure {
    let (code, remedy) = match error {
        HeaderError::NotMember => {
            (Code::Denied, "join a network: `lanyard join`, or make one: `lanyard init`")
        }
        HeaderError::Receivers(_) => (Code::Usage, "name 1 to 64 peers: `lanyard peers` lists them"),
        HeaderError::Own(_) => (
            Code::Denied,
            "it is renewed when the authority can be reached: `lanyard cert renew`; or set the clock right",
        ),
        HeaderError::Receiver { .. } | HeaderError::ReceiverKey(_) => {
            (Code::Denied, "see whether it still is a member: `lanyard ping` it")
        }
        HeaderError::Revoked(_) => (Code::Denied, "ask whoever runs the network why"),
        HeaderError::Future { .. } => {
            (Code::Data, "compare the clocks of both machines; the sender seals it again")
        }
        HeaderError::NotForThisNode { .. } => {
            (Code::Data, "open it where it was sealed to, or ask its sender to seal it to this node too")
        }
        HeaderError::Magic => (Code::Data, "name a file that `lanyard seal` has made"),
        HeaderError::Length(_)
        | HeaderError::Cut { .. }
        | HeaderError::Malformed(_)
        | HeaderError::Network { .. }
        | HeaderError::Sender(_)
        | HeaderError::Signature(_)
        | HeaderError::Key(_) => (Code::Data, "do not trust it; ask its sender for the file once more"),
    };
    Failure::new(code, error.to_string(), remedy)
}

/// Writes the whole sealed file: `header`, then what `from` has until its end. `progress` is told now and then how
/// many bytes of the content are done. Gives their number.
///
/// # Errors
/// [`StreamError`]; what was written until then is no sealed file.
pub fn seal(
    header: SealedHeader,
    from: &mut impl Read,
    to: &mut impl Write,
    mut progress: impl FnMut(u64),
) -> Result<u64, StreamError> {
    let SealedHeader { header, key, signer } = header;
    let mut sealer = ContentSealer::new(&header, &key, ContentKey::from_seed(signer.expose()));
    to.write_all(&header).map_err(StreamError::Write)?;
    let (mut chunk, mut next) = (buffer(), buffer());
    let mut length = fill(from, payload(&mut chunk))?;
    let mut bytes = 0;
    loop {
        // Whether a chunk is the last one shows only behind it.
        let following = if length == CHUNK_PAYLOAD { fill(from, payload(&mut next))? } else { 0 };
        let last = following == 0;
        let sealed = sealer.seal(&mut chunk, length, last)?;
        to.write_all(&chunk[..sealed]).map_err(StreamError::Write)?;
        bytes += length as u64;
        progress(bytes);
        if last {
            to.flush().map_err(StreamError::Write)?;
            return Ok(bytes);
        }
        core::mem::swap(&mut chunk, &mut next);
        length = following;
    }
}

/// Reads a sealed file's header, and nothing behind it.
///
/// # Errors
/// [`StreamError::Header`] where it does not begin as sealed files do or ends before the header does,
/// [`StreamError::Read`].
pub fn read_header(from: &mut impl Read) -> Result<Vec<u8>, StreamError> {
    let mut prefix = [0; PREFIX_LEN];
    if fill(from, &mut prefix)? < PREFIX_LEN {
        return Err(HeaderError::Magic.into());
    }
    let mut header = vec![0; envelope::header_len(&prefix)?];
    header[..PREFIX_LEN].copy_from_slice(&prefix);
    let found = PREFIX_LEN + fill(from, &mut header[PREFIX_LEN..])?;
    // What is missing is found out when the header is read.
    header.truncate(found);
    Ok(header)
}

/// Opens what stands behind `header`, with the keys that it gave, and writes each chunk once it is known to be the
/// sender's. Gives the number of bytes.
///
/// # Errors
/// [`StreamError`]. All that was written until then is what the sender sealed, and not all that it sealed.
pub fn open(
    header: &[u8],
    opened: &OpenedHeader,
    from: &mut impl Read,
    to: &mut impl Write,
    mut progress: impl FnMut(u64),
) -> Result<u64, StreamError> {
    let mut opener = ContentOpener::new(header, &opened.key, opened.signer);
    let mut chunk = buffer();
    let mut bytes = 0;
    loop {
        let mut head = [0; CHUNK_HEAD];
        match fill(from, &mut head)? {
            0 if opener.ended() => break,
            CHUNK_HEAD => {}
            _ if opener.ended() => return Err(ContentError::Trailing.into()),
            _ => return Err(opener.cut().into()),
        }
        let head = opener.head(head)?;
        let body = &mut chunk[..head.body_len()];
        if fill(from, body)? < body.len() {
            return Err(opener.cut().into());
        }
        let content = opener.open(head, body)?;
        to.write_all(content).map_err(StreamError::Write)?;
        bytes += content.len() as u64;
        progress(bytes);
    }
    to.flush().map_err(StreamError::Write)?;
    Ok(bytes)
}

fn buffer() -> Box<[u8; CHUNK_MAX]> {
    Box::new([0; CHUNK_MAX])
}

fn payload(chunk: &mut [u8; CHUNK_MAX]) -> &mut [u8] {
    &mut chunk[CHUNK_HEAD..CHUNK_HEAD + CHUNK_PAYLOAD]
}

/// Reads until `buffer` is full or there is no more.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> Result<usize, StreamError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(StreamError::Read(error)),
        }
    }
    Ok(filled)
}
