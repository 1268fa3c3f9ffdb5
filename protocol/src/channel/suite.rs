//! The ciphers that records are sealed with.

/// A cipher for records. The handshake itself always uses ChaCha20-Poly1305.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Suite {
    /// ChaCha20-Poly1305 (RFC 8439): every node has it.
    ChaCha20Poly1305 = 1,
    /// AES-256-GCM (NIST SP 800-38D): eight times as fast where the processor has instructions for it, slower
    /// and open to timing attacks where it has not.
    Aes256Gcm = 2,
}

impl Suite {
    pub(super) const fn to_byte(self) -> u8 {
        self as u8
    }

    pub(super) const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::ChaCha20Poly1305),
            2 => Some(Self::Aes256Gcm),
            _ => None,
        }
    }
}

/// The suites that a side offers or supports: ChaCha20-Poly1305 always, AES-256-GCM where the processor has
/// instructions for it. There is no empty set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Suites {
    aes: bool,
}

/// The bit of each suite in the offer's byte.
const CHACHA: u8 = 1;
const AES: u8 = 2;

impl Suites {
    /// What every node has: ChaCha20-Poly1305 alone.
    pub const PORTABLE: Self = Self { aes: false };

    /// Both suites, for processors with instructions for AES and carry-less multiplication.
    pub const ALL: Self = Self { aes: true };

    /// The fastest suite that both sides have.
    #[must_use]
    pub const fn choose(self, other: Self) -> Suite {
        if self.aes && other.aes { Suite::Aes256Gcm } else { Suite::ChaCha20Poly1305 }
    }

    /// Whether `suite` is one of these.
    #[must_use]
    pub const fn contains(self, suite: Suite) -> bool {
        match suite {
            Suite::ChaCha20Poly1305 => true,
            Suite::Aes256Gcm => self.aes,
        }
    }

    /// One bit per suite: 1 for ChaCha20-Poly1305, 2 for AES-256-GCM.
    pub(super) const fn to_byte(self) -> u8 {
        if self.aes { CHACHA | AES } else { CHACHA }
    }

    /// Refuses sets without ChaCha20-Poly1305 and bits that stand for nothing.
    pub(super) const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            CHACHA => Some(Self::PORTABLE),
            3 => Some(Self::ALL),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aes_is_chosen_only_when_both_have_it() {
        assert_eq!(Suites::ALL.choose(Suites::ALL), Suite::Aes256Gcm);
        assert_eq!(Suites::ALL.choose(Suites::PORTABLE), Suite::ChaCha20Poly1305);
        assert_eq!(Suites::PORTABLE.choose(Suites::ALL), Suite::ChaCha20Poly1305);
    }

    /// C12: of 256 bytes two are offers.
    #[test]
    fn refuses_unknown_bits_and_empty_sets() {
        for byte in 0..=255 {
            assert_eq!(Suites::from_byte(byte).is_some(), byte == 1 || byte == 3, "{byte}");
            assert_eq!(Suite::from_byte(byte).is_some(), byte == 1 || byte == 2, "{byte}");
        }
        assert_eq!(Suites::from_byte(Suites::ALL.to_byte()), Some(Suites::ALL));
        assert_eq!(Suites::from_byte(Suites::PORTABLE.to_byte()), Some(Suites::PORTABLE));
    }
}
