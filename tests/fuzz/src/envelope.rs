//! Sealed files, which come from anybody by any way.

use std::sync::OnceLock;

use lanyard_node::tools::envelope as stream;
use lanyard_protocol::control::{OpenedHeader, RoleName, Time};
use lanyard_protocol::envelope::{self, CHUNK_MAX, CHUNK_PAYLOAD, HEADER_MAX, PREFIX_LEN, RECEIVERS_MAX};
use lanyard_protocol::identity::{ContentKey, Secret};
use lanyard_protocol::label::Label;
use serde::ser::{Serialize, SerializeTuple as _, Serializer};

use crate::input::Input;
use crate::tickets::member_keys;
use crate::world::{NOW, World, rng};

/// The header that the member sealed to the authority.
pub(crate) fn good_header() -> &'static [u8] {
    static GOOD: OnceLock<Vec<u8>> = OnceLock::new();
    GOOD.get_or_init(|| {
        let world = World::get();
        let receivers = [world.provider.certificate().unwrap().clone()];
        envelope::seal(&world.requester, &receivers, NOW, &mut rng(11)).unwrap().header
    })
}

/// What a sealed file begins with. By the first byte: any bytes, or any terms that a member has signed.
pub fn sealed_header(data: &[u8]) {
    let Some((&how, data)) = data.split_first() else { return };
    let world = World::get();
    if how.is_multiple_of(2) {
        let Ok(header) = stream::read_header(&mut &data[..]) else { return };
        assert!(header.len() <= HEADER_MAX);
        if envelope::open(&world.provider, &header, NOW).is_ok() {
            assert_eq!(header, good_header(), "nobody signed this");
        }
    } else if let Ok(opened) = envelope::open(&world.provider, &signed(data), NOW) {
        assert_eq!(opened.sender().node_id(), world.member_id);
        assert!((1..=RECEIVERS_MAX).contains(&opened.receivers().len()));
        assert!(opened.receivers().contains(&world.authority_id));
    }
}

/// The header with these terms, by the member.
pub(crate) fn signed(terms: &[u8]) -> Vec<u8> {
    let signature = member_keys().identity.sign(Label::EnvelopeHeader, &Raw(terms));
    let length = u32::try_from(terms.len() + 64).unwrap().to_le_bytes();
    [&good_header()[..PREFIX_LEN - length.len()], &length, terms, &signature.to_bytes()].concat()
}

/// The terms of [`good_header`].
#[cfg(test)]
pub(crate) fn good_terms() -> &'static [u8] {
    &good_header()[PREFIX_LEN..good_header().len() - 64]
}

/// Bytes that are an encoding already.
struct Raw<'a>(&'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        for byte in self.0 {
            tuple.serialize_element(byte)?;
        }
        tuple.end()
    }
}

/// The keys of the content.
fn keys() -> (Secret, ContentKey) {
    (Secret::generate(&mut rng(12)), ContentKey::from_seed(&[13; 32]))
}

/// A content, chunk by chunk.
fn sealed_chunks(content: &[u8]) -> Vec<Vec<u8>> {
    let (key, signer) = keys();
    let mut sealer = envelope::ContentSealer::new(good_header(), &key, signer);
    let pieces: Vec<&[u8]> = content.chunks(CHUNK_PAYLOAD).collect();
    let mut chunks = Vec::new();
    for (number, piece) in (1..).zip(&pieces) {
        let mut buffer = Box::new([0; CHUNK_MAX]);
        buffer[4..4 + piece.len()].copy_from_slice(piece);
        let length = sealer.seal(&mut buffer, piece.len(), number == pieces.len()).unwrap();
        chunks.push(buffer[..length].to_vec());
    }
    chunks
}

/// A content that somebody in between reorders, repeats, drops, cuts and alters: what is given out is a beginning of
/// what was sealed, and whole only if nothing was changed.
pub fn sealed_content(data: &[u8]) {
    let mut input = Input::new(data);
    let content = vec![5; *input.pick(&[40, CHUNK_PAYLOAD, CHUNK_PAYLOAD + 40])];
    let mut chunks = sealed_chunks(&content);
    let original = chunks.concat();
    while !input.is_empty() && chunks.len() < 16 {
        let (at, other) = (usize::from(input.byte()), usize::from(input.byte()));
        let (at, other) = (at % (chunks.len() + 1), other % (chunks.len() + 1));
        match input.byte() % 5 {
            0 if at < chunks.len() => drop(chunks.remove(at)),
            1 if other < chunks.len() => chunks.insert(at, chunks[other].clone()),
            2 if at < chunks.len() && other < chunks.len() => chunks.swap(at, other),
            3 => chunks.insert(at, input.bytes().to_vec()),
            _ if at < chunks.len() => chunks[at] = input.altered(chunks[at].clone()),
            _ => {}
        }
    }
    let altered = chunks.concat();
    let mut out = Vec::new();
    let end = stream::open(good_header(), &opened(), &mut &altered[..], &mut out, |_| {});
    assert!(content.starts_with(&out), "gave out what was not sealed");
    match end {
        Ok(bytes) => assert!(altered == original && bytes == content.len() as u64, "whole, and is not"),
        Err(_) => assert_ne!(altered, original),
    }
}

/// What the authority's node says of the header.
fn opened() -> OpenedHeader {
    let sender = World::get().requester.certificate().unwrap();
    let (key, signer) = keys();
    OpenedHeader {
        name: sender.name().clone(),
        id: sender.node_id(),
        entity: sender.entity().clone(),
        network: sender.network().clone(),
        role: RoleName::Member,
        sealed_at: Time(NOW),
        not_after: Time(sender.not_after()),
        expired: false,
        receivers: vec![World::get().authority_id],
        key,
        signer: signer.public_key(),
    }
}
