//! An export's bytes.
//!
//! ```text
//! header   lanyard-state-export-1 <clear|sealed> <64 hexadecimal digits: salt> \n
//! frame 0  who, and when
//! frame …  records, in order of table and key
//! frame n  how many there were
//! ```
//!
//! A frame is its length in four bytes, little-endian, a random nonce of 24 bytes, and a bincode value under
//! XChaCha20-Poly1305, whose associated data are the header and the frame's number: whatever is altered, cut,
//! repeated, moved or from another export does not open, and nothing follows the last frame.
//!
//! ```text
//! secret = Argon2id(passphrase, salt = hash(state-export, "salt", salt))    `sealed`
//!        = salt                                                             `clear`: whoever has the file has it
//! key    = derive(state-export, salt, secret, "frame")
//! ```

use std::io::{self, Read, Write};
use std::path::Path;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use data_encoding::HEXLOWER;
use lanyard_protocol::codec;
use lanyard_protocol::control::Passphrase;
use lanyard_protocol::enrolment::stretch;
use lanyard_protocol::label::Label;
use lanyard_protocol::record::{KEY_MAX, Record, VALUE_MAX};
use rand_core::{CryptoRng, Rng as _};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{About, ExportError};
use crate::ambient::OsRng;
use crate::store::table_of;

/// What the file begins with; the format's number follows.
const MAGIC: &str = "lanyard-state-export-";
/// The format that is written here.
pub(super) const FORMAT: u32 = 1;
/// The longest header.
const HEADER_MAX: usize = 128;
/// The longest frame's value: several times a batch and a record, for what decoding may allocate of small records.
const FRAME_MAX: usize = 1 << 20;
const NONCE: usize = 24;
const TAG: usize = 16;

/// One part of an export.
#[derive(Serialize, Deserialize)]
pub(super) enum Frame {
    /// Whose state it is: the first one.
    About(About),
    /// Some of the records.
    Records(Vec<Kept>),
    /// The last one.
    End { records: u64 },
}

/// A record as it stands in an export.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    table: u8,
    key: Vec<u8>,
    value: Zeroizing<Vec<u8>>,
}

impl From<Record> for Kept {
    fn from(record: Record) -> Self {
        Self { table: record.table as u8, key: record.key, value: Zeroizing::new(record.value) }
    }
}

impl Kept {
    /// The record, if an export may hold it.
    fn record(mut self) -> Option<Record> {
        let table = table_of(&[self.table]).filter(|table| table.is_exported())?;
        let fits = self.key.len() <= KEY_MAX && self.value.len() <= VALUE_MAX;
        fits.then(|| Record { table, key: self.key, value: core::mem::take(&mut *self.value) })
    }
}

/// The first line.
pub(super) struct Header {
    line: String,
    sealed: bool,
    salt: [u8; 32],
}

impl Header {
    pub(super) fn new(sealed: bool, rng: &mut impl CryptoRng) -> Self {
        let mut salt = [0; 32];
        rng.fill_bytes(&mut salt);
        let how = if sealed { "sealed" } else { "clear" };
        Self { line: format!("{MAGIC}{FORMAT} {how} {}\n", HEXLOWER.encode(&salt)), sealed, salt }
    }

    pub(super) const fn sealed(&self) -> bool {
        self.sealed
    }

    fn parse(line: String, path: &Path) -> Result<Self, ExportError> {
        let foreign = |detail| ExportError::Foreign { path: path.to_owned(), detail };
        let rest = line.strip_prefix(MAGIC).ok_or_else(|| foreign("it does not begin as an export"))?;
        let mut words = rest.trim_end_matches('\n').split(' ');
        match words.next().and_then(|word| word.parse().ok()) {
            Some(FORMAT) => {}
            Some(found) if found > FORMAT => {
                return Err(ExportError::Newer { path: path.to_owned(), found, known: FORMAT });
            }
            _ => return Err(foreign("its format is none that was ever used")),
        }
        let sealed = match words.next() {
            Some("clear") => false,
            Some("sealed") => true,
            _ => return Err(foreign("its first line is damaged")),
        };
        let salt = words.next().and_then(|word| HEXLOWER.decode(word.as_bytes()).ok());
        let salt = salt.and_then(|salt| <[u8; 32]>::try_from(salt).ok());
        let (Some(salt), None) = (salt, words.next()) else {
            return Err(foreign("its first line is damaged"));
        };
        Ok(Self { line, sealed, salt })
    }
}

/// The key of one export.
pub(super) struct Key(XChaCha20Poly1305);

impl Key {
    /// The key of the export with this header. With a passphrase, about a tenth of a second and 64 MiB.
    pub(super) fn new(
        header: &Header,
        passphrase: Option<&Passphrase>,
        path: &Path,
    ) -> Result<Self, ExportError> {
        let secret = match (header.sealed, passphrase) {
            (false, _) => Zeroizing::new(header.salt),
            (true, Some(passphrase)) => {
                let salt = Label::StateExport.hash(&[b"salt", &header.salt]);
                Zeroizing::new(*stretch(passphrase.expose(), &salt.0).expose())
            }
            (true, None) => return Err(ExportError::Sealed { path: path.to_owned() }),
        };
        let key = Label::StateExport.derive::<32>(&header.salt, secret.as_slice(), &[b"frame"]);
        Ok(Self(XChaCha20Poly1305::new(&(*key).into())))
    }
}

fn associated(header: &Header, number: u64) -> Vec<u8> {
    Label::StateExport.join(&[header.line.as_bytes(), &number.to_le_bytes()])
}

/// Writes an export.
pub(super) struct Writer<'a, W> {
    file: W,
    header: &'a Header,
    key: &'a Key,
    number: u64,
}

impl<'a, W: Write> Writer<'a, W> {
    pub(super) fn new(mut file: W, header: &'a Header, key: &'a Key) -> io::Result<Self> {
        file.write_all(header.line.as_bytes())?;
        Ok(Self { file, header, key, number: 0 })
    }

    #[expect(clippy::expect_used, reason = "a frame has at most a few hundred KiB, the cipher takes 256 GiB")]
    pub(super) fn frame(&mut self, frame: &Frame) -> io::Result<()> {
        let plain = Zeroizing::new(codec::encode(frame));
        let mut nonce = [0; NONCE];
        OsRng.fill_bytes(&mut nonce);
        let aad = associated(self.header, self.number);
        let sealed = self
            .key
            .0
            .encrypt(&XNonce::from(nonce), Payload { msg: &plain, aad: &aad })
            .expect("XChaCha20-Poly1305 seals up to 256 GiB");
        self.number += 1;
        self.file.write_all(&((NONCE + sealed.len()) as u32).to_le_bytes())?;
        self.file.write_all(&nonce)?;
        self.file.write_all(&sealed)
    }

    pub(super) fn into_inner(self) -> W {
        self.file
    }
}

/// Reads an export.
pub(super) struct Reader<'a, R> {
    file: R,
    path: &'a Path,
}

impl<'a, R: Read> Reader<'a, R> {
    pub(super) const fn new(file: R, path: &'a Path) -> Self {
        Self { file, path }
    }

    pub(super) const fn path(&self) -> &'a Path {
        self.path
    }

    pub(super) fn header(&mut self) -> Result<Header, ExportError> {
        let mut line = Vec::new();
        let mut byte = [0];
        while line.len() < HEADER_MAX && line.last() != Some(&b'\n') {
            self.exactly(&mut byte, "no export")?;
            line.push(byte[0]);
        }
        let line = String::from_utf8(line).map_err(|_| ExportError::Foreign {
            path: self.path.to_owned(),
            detail: "it does not begin as an export",
        })?;
        Header::parse(line, self.path)
    }

    /// Visits every record; says whose they are and how many. Nothing that it gave counts unless it returns `Ok`.
    pub(super) fn frames(
        &mut self,
        header: &Header,
        key: &Key,
        mut visit: impl FnMut(Record) -> Result<(), ExportError>,
    ) -> Result<(About, u64), ExportError> {
        let damaged = |detail| ExportError::damaged(self.path, detail);
        let (misplaced, uncounted) = (
            damaged("a part is not where it belongs"),
            damaged("it has another number of records than it says"),
        );
        let forbidden = damaged("it holds a record that no export holds");
        let Frame::About(about) = self.frame(header, key, 0)? else { return Err(misplaced) };
        let mut seen = 0;
        for number in 1.. {
            match self.frame(header, key, number)? {
                Frame::About(_) => return Err(misplaced),
                Frame::Records(records) => {
                    for record in records {
                        seen += 1;
                        let Some(record) = record.record() else { return Err(forbidden) };
                        visit(record)?;
                    }
                }
                Frame::End { records } if records == seen => break,
                Frame::End { .. } => return Err(uncounted),
            }
        }
        match self.file.read(&mut [0]) {
            Ok(0) => Ok((about, seen)),
            Ok(_) => Err(ExportError::damaged(self.path, "something follows its end")),
            Err(error) => Err(ExportError::io("read", self.path, error)),
        }
    }

    fn frame(&mut self, header: &Header, key: &Key, number: u64) -> Result<Frame, ExportError> {
        let mut length = [0; 4];
        self.exactly(&mut length, "its end is missing")?;
        let length = u32::from_le_bytes(length) as usize;
        if !(NONCE + TAG..=NONCE + TAG + FRAME_MAX).contains(&length) {
            return Err(ExportError::damaged(self.path, "a part has no possible length"));
        }
        let mut bytes = vec![0; length];
        self.exactly(&mut bytes, "its end is missing")?;
        let (nonce, sealed) = bytes
            .split_first_chunk::<NONCE>()
            .ok_or_else(|| ExportError::damaged(self.path, "a part is too short"))?;
        let aad = associated(header, number);
        let plain = key.0.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &aad });
        let plain = Zeroizing::new(plain.map_err(|_| match number {
            0 if header.sealed => ExportError::WrongKey { path: self.path.to_owned() },
            _ => ExportError::damaged(self.path, "a part was altered, moved or is of another export"),
        })?);
        codec::decode::<Frame, FRAME_MAX>(&plain)
            .map_err(|_| ExportError::damaged(self.path, "a part is written as no part ever was"))
    }

    fn exactly(&mut self, bytes: &mut [u8], at_end: &'static str) -> Result<(), ExportError> {
        self.file.read_exact(bytes).map_err(|error| {
            if error.kind() == io::ErrorKind::UnexpectedEof {
                ExportError::damaged(self.path, at_end)
            } else {
                ExportError::io("read", self.path, error)
            }
        })
    }
}
