//! A content as chunks: each encrypted, signed, numbered, and the last one marked.

use core::fmt;

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use serde::Serialize;

use crate::identity::{ContentKey, PublicKey, Secret, Signature};
use crate::label::{Digest, Label};

/// The bytes of content in every chunk but the last: as much as a channel's record holds, for the same reasons.
pub const CHUNK_PAYLOAD: usize = 64 * 1024;

/// The bytes in front of a chunk's ciphertext.
pub const CHUNK_HEAD: usize = 4;

/// The most bytes of a chunk.
pub const CHUNK_MAX: usize = CHUNK_HEAD + CHUNK_PAYLOAD + TAG_LEN + SIGNATURE_LEN;

const TAG_LEN: usize = 16;
const SIGNATURE_LEN: usize = 64;

/// Marks the last chunk, in the highest bit of the length.
const LAST: u32 = 1 << 31;

/// Chunks of one file: 256 TiB, and far from where the nonce would wrap.
const CHUNKS_MAX: u64 = 1 << 32;

/// Why a chunk was not sealed or not opened. Nothing of it may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// No chunk has that length there.
    #[error("chunk {number} cannot have {len} bytes")]
    Length {
        /// The chunk's number, from 0.
        number: u64,
        /// The bytes that it should hold.
        len: usize,
    },
    /// Not what the sender sealed at this place.
    #[error("chunk {number} is not what was sealed there")]
    Altered {
        /// The chunk's number, from 0.
        number: u64,
    },
    /// The end is missing.
    #[error("the end is missing: it was cut in or before chunk {number}")]
    Truncated {
        /// The number of the first chunk that is not whole, from 0.
        number: u64,
    },
    /// Something follows the last chunk.
    #[error("something follows the end")]
    Trailing,
    /// More than one file holds.
    #[error("a sealed file has at most {CHUNKS_MAX} chunks")]
    TooLong,
}

/// What a chunk's signature covers.
#[derive(Serialize)]
struct SignedChunk {
    header: Digest,
    number: u64,
    last: bool,
    /// The SHA-256 of the ciphertext and its tag.
    ciphertext: Digest,
}

/// What both ends of a content share.
struct Content {
    cipher: LessSafeKey,
    header: Digest,
    /// Of the next chunk.
    number: u64,
    ended: bool,
}

impl Content {
    #[expect(clippy::expect_used, reason = "the cipher takes keys of 32 bytes")]
    fn new(header: &[u8], key: &Secret) -> Self {
        let header = Label::MessageHash.hash(&[b"envelope-header", header]);
        let key = Label::EnvelopeContent.derive::<32>(header.as_bytes(), key.expose(), &[]);
        let cipher = UnboundKey::new(&CHACHA20_POLY1305, key.as_slice()).map(LessSafeKey::new);
        Self { cipher: cipher.expect("32 bytes"), header, number: 0, ended: false }
    }

    /// The nonce of the next chunk, which no other chunk under this key has.
    fn nonce(&self, last: bool) -> Nonce {
        let mut nonce = [0; 12];
        nonce[3..11].copy_from_slice(&self.number.to_be_bytes());
        nonce[11] = last.into();
        Nonce::assume_unique_for_key(nonce)
    }

    fn signed(&self, last: bool, ciphertext: &[u8]) -> SignedChunk {
        SignedChunk { header: self.header, number: self.number, last, ciphertext: Digest::of(ciphertext) }
    }

    const fn check(&self, len: usize, last: bool) -> Result<(), ContentError> {
        if self.ended {
            return Err(ContentError::Trailing);
        }
        if self.number >= CHUNKS_MAX {
            return Err(ContentError::TooLong);
        }
        // One content has one form: full chunks, and an empty one only where there is nothing at all.
        let fits =
            if last { len <= CHUNK_PAYLOAD && (len > 0 || self.number == 0) } else { len == CHUNK_PAYLOAD };
        if fits { Ok(()) } else { Err(ContentError::Length { number: self.number, len }) }
    }

    const fn advance(&mut self, last: bool) {
        self.number += 1;
        self.ended = last;
    }
}

/// Seals a content, chunk by chunk.
pub struct ContentSealer {
    content: Content,
    signer: ContentKey,
}

impl ContentSealer {
    /// The sealer of what follows `header`, under the keys that belong to it.
    #[must_use]
    pub fn new(header: &[u8], key: &Secret, signer: ContentKey) -> Self {
        Self { content: Content::new(header, key), signer }
    }

    /// Makes a chunk of `len` bytes that stand in `buffer` behind [`CHUNK_HEAD`] bytes of room. Gives the chunk's
    /// length; it begins at the buffer's first byte.
    ///
    /// # Errors
    /// [`ContentError::Length`], [`ContentError::Trailing`] after the last one, [`ContentError::TooLong`].
    #[expect(clippy::expect_used, reason = "64 KiB are within the cipher's limit")]
    pub fn seal(
        &mut self,
        buffer: &mut [u8; CHUNK_MAX],
        len: usize,
        last: bool,
    ) -> Result<usize, ContentError> {
        self.content.check(len, last)?;
        let head = len as u32 | if last { LAST } else { 0 };
        buffer[..CHUNK_HEAD].copy_from_slice(&head.to_le_bytes());
        let (body, rest) = buffer[CHUNK_HEAD..].split_at_mut(len + TAG_LEN);
        let (payload, tag) = body.split_at_mut(len);
        let sealed =
            self.content.cipher.seal_in_place_separate_tag(self.content.nonce(last), Aad::empty(), payload);
        tag.copy_from_slice(sealed.expect("at most 64 KiB are sealed at a time").as_ref());
        let signature = self.signer.sign(Label::EnvelopeChunk, &self.content.signed(last, body));
        rest[..SIGNATURE_LEN].copy_from_slice(&signature.to_bytes());
        self.content.advance(last);
        Ok(CHUNK_HEAD + len + TAG_LEN + SIGNATURE_LEN)
    }
}

impl fmt::Debug for ContentSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentSealer(at chunk {}, ..)", self.content.number)
    }
}

/// What the head of a chunk says, unverified until the chunk is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkHead {
    len: usize,
    last: bool,
}

impl ChunkHead {
    /// The bytes that follow the head.
    #[must_use]
    pub const fn body_len(&self) -> usize {
        self.len + TAG_LEN + SIGNATURE_LEN
    }
}

/// Opens a content, chunk by chunk.
pub struct ContentOpener {
    content: Content,
    signer: PublicKey,
}

impl ContentOpener {
    /// The opener of what follows `header`, under the keys that it gave.
    #[must_use]
    pub fn new(header: &[u8], key: &Secret, signer: PublicKey) -> Self {
        Self { content: Content::new(header, key), signer }
    }

    /// Reads the head of the next chunk.
    ///
    /// # Errors
    /// [`ContentError::Length`], [`ContentError::Trailing`] after the last chunk, [`ContentError::TooLong`].
    pub fn head(&self, head: [u8; CHUNK_HEAD]) -> Result<ChunkHead, ContentError> {
        let head = u32::from_le_bytes(head);
        let (len, last) = ((head & !LAST) as usize, head & LAST != 0);
        self.content.check(len, last)?;
        Ok(ChunkHead { len, last })
    }

    /// Opens the chunk whose head was read, in place: what is given out is verified, and stood there in the content
    /// that the sender sealed.
    ///
    /// # Errors
    /// [`ContentError`]; the opener is as it was.
    pub fn open<'a>(&mut self, head: ChunkHead, body: &'a mut [u8]) -> Result<&'a [u8], ContentError> {
        let number = self.content.number;
        self.content.check(head.len, head.last)?;
        if body.len() != head.body_len() {
            return Err(ContentError::Truncated { number });
        }
        let altered = ContentError::Altered { number };
        let (ciphertext, signature) = body.split_at_mut(head.len + TAG_LEN);
        let signature: [u8; SIGNATURE_LEN] = signature.try_into().map_err(|_| altered)?;
        let signed = self.content.signed(head.last, ciphertext);
        self.signer
            .verify(Label::EnvelopeChunk, &signed, &Signature::from(signature))
            .map_err(|_| altered)?;
        let nonce = self.content.nonce(head.last);
        let payload =
            self.content.cipher.open_in_place(nonce, Aad::empty(), ciphertext).map_err(|_| altered)?;
        self.content.advance(head.last);
        Ok(payload)
    }

    /// Whether the last chunk was opened: the content is whole.
    #[must_use]
    pub const fn ended(&self) -> bool {
        self.content.ended
    }

    /// The fault of a content that ends here.
    #[must_use]
    pub const fn cut(&self) -> ContentError {
        ContentError::Truncated { number: self.content.number }
    }
}

impl fmt::Debug for ContentOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentOpener(at chunk {}, ..)", self.content.number)
    }
}
