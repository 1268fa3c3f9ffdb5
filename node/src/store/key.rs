//! The store key: the one secret that is not in the database.

use std::path::Path;

use data_encoding::HEXLOWER;
use lanyard_protocol::label::{Digest, Label};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::StoreError;
use super::layout::write_file;

/// What a key file begins with; the format's number follows.
const MAGIC: &str = "lanyard-store-key-";
/// The format that is written here: `lanyard-store-key-1`, the key, and 8 bytes of its SHA-256, in one line.
const FORMAT: u32 = 1;
/// The key has 256 random bits, so a hash of it that stands beside it tells nothing.
const CHECKSUM: usize = 8;

/// The key that all others of a store are derived from.
pub(super) struct StoreKey(Zeroizing<[u8; 32]>);

impl StoreKey {
    /// Makes a key and puts it in a file of its own at `path`, durably.
    pub(super) fn create(path: &Path, rng: &mut impl CryptoRng) -> Result<Self, StoreError> {
        let mut key = Zeroizing::new([0; 32]);
        rng.fill_bytes(key.as_mut_slice());
        let encoded = Zeroizing::new(HEXLOWER.encode(key.as_slice()));
        let line =
            Zeroizing::new(format!("{MAGIC}{FORMAT} {} {}\n", encoded.as_str(), checksum(key.as_slice())));
        write_file(path, line.as_bytes())?;
        Ok(Self(key))
    }

    /// The key in the file at `path`.
    pub(super) fn read(path: &Path) -> Result<Self, StoreError> {
        let bytes = Zeroizing::new(std::fs::read(path).map_err(StoreError::io("read", path))?);
        let damaged = |detail| StoreError::KeyDamaged { path: path.to_owned(), detail };
        let text = core::str::from_utf8(&bytes).map_err(|_| damaged("it is not text"))?;
        let line = text.strip_suffix('\n').ok_or_else(|| damaged("its end is missing"))?;
        let rest = line.strip_prefix(MAGIC).ok_or_else(|| damaged("it does not begin as a key file"))?;
        let (format, rest) = rest.split_once(' ').ok_or_else(|| damaged("it has no key"))?;
        match format.parse() {
            Ok(FORMAT) => {}
            Ok(found) if found > FORMAT => {
                return Err(StoreError::NewerFormat { path: path.to_owned(), found, known: FORMAT });
            }
            Ok(_) | Err(_) => return Err(damaged("its format is no number that was ever used")),
        }
        let (encoded, sum) = rest.split_once(' ').ok_or_else(|| damaged("it has no checksum"))?;
        let decoded = Zeroizing::new(
            HEXLOWER.decode(encoded.as_bytes()).map_err(|_| damaged("its key is not hexadecimal"))?,
        );
        let key = <[u8; 32]>::try_from(decoded.as_slice()).map_err(|_| damaged("its key is not 32 bytes"))?;
        let key = Zeroizing::new(key);
        if checksum(key.as_slice()) != sum {
            return Err(damaged("its checksum does not fit its key"));
        }
        Ok(Self(key))
    }

    /// The key for `purpose`.
    pub(super) fn derive(&self, purpose: &[u8]) -> Zeroizing<[u8; 32]> {
        Label::StoreKey.derive(&[], self.0.as_slice(), &[purpose])
    }
}

fn checksum(key: &[u8]) -> String {
    HEXLOWER.encode(&Digest::of(key).as_bytes()[..CHECKSUM])
}
