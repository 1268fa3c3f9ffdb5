//! What a candidate was given: a code that a person types, a URI that a person copies, or nothing.

use core::fmt;
use core::net::SocketAddr;
use core::str::FromStr;

use data_encoding::HEXLOWER;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::words;
use crate::identity::{Fingerprint, NetworkName};
use crate::label::{Digest, Label};

/// The most addresses in a URI.
const ADDRESSES_MAX: usize = 8;

/// Text that is no invitation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvitationError {
    /// Neither a code nor a URI.
    #[error("that is neither a code such as 7-harbour-violet nor a URI that begins with lanyard://")]
    Neither,
    /// A word that codes are not made of.
    #[error("{word:?} is no word of a code; did you mean {nearest:?}?")]
    Word {
        /// The word as it was typed, cut to 20 characters.
        word: String,
        /// The word of the list that is nearest to it.
        nearest: &'static str,
    },
    /// A URI with something wrong in it.
    #[error("the URI is damaged: {0}")]
    Uri(String),
}

/// What a candidate was given.
#[derive(Debug)]
pub enum Invitation {
    /// Nothing: it hopes for open admission.
    Open,
    /// A code.
    Code(Code),
    /// A URI.
    Uri(InviteUri),
}

impl FromStr for Invitation {
    type Err = InvitationError;

    fn from_str(text: &str) -> Result<Self, InvitationError> {
        let text = text.trim();
        if text.len() > 2048 {
            return Err(InvitationError::Neither);
        }
        if text.starts_with(SCHEME) { text.parse().map(Self::Uri) } else { text.parse().map(Self::Code) }
    }
}

/// A code such as `7-harbour-violet`: a public number that selects the invite, and two words of 1,024 that are
/// the secret (20 bits, which an exchange that allows three guesses makes enough).
pub struct Code {
    nameplate: u32,
    words: [u16; 2],
}

impl Code {
    /// A code with fresh words.
    pub fn generate(nameplate: u32, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut word = || (rng.next_u32() % words::WORDS.len() as u32) as u16;
        Self { nameplate, words: [word(), word()] }
    }

    /// The public number.
    #[must_use]
    pub fn nameplate(&self) -> u32 {
        self.nameplate
    }

    /// The secret words, as they are stretched.
    #[must_use]
    pub fn secret(&self) -> Zeroizing<Vec<u8>> {
        let [first, second] = self.words.map(words::word);
        Zeroizing::new(format!("{first}-{second}").into_bytes())
    }

    /// The salt that they are stretched with.
    #[must_use]
    pub fn salt(network: &NetworkName, nameplate: u32) -> [u8; 32] {
        Label::InviteCode.hash(&[network.as_str().as_bytes(), &nameplate.to_le_bytes()]).0
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({}-..)", self.nameplate)
    }
}

/// As it is typed.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = self.words.map(words::word);
        write!(f, "{}-{first}-{second}", self.nameplate)
    }
}

/// Case does not matter, and words may be parted by spaces as well.
impl FromStr for Code {
    type Err = InvitationError;

    fn from_str(text: &str) -> Result<Self, InvitationError> {
        let text = text.to_lowercase();
        let parts: Vec<&str> = text.split(|c: char| c == '-' || c.is_whitespace()).collect();
        let [nameplate, first, second] = parts.as_slice() else { return Err(InvitationError::Neither) };
        if nameplate.is_empty() || !nameplate.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvitationError::Neither);
        }
        let nameplate = nameplate.parse().map_err(|_| InvitationError::Neither)?;
        let index = |word: &str| {
            words::index_of(word).ok_or_else(|| InvitationError::Word {
                word: word.chars().take(20).collect(),
                nearest: words::nearest(word),
            })
        };
        Ok(Self { nameplate, words: [index(first)?, index(second)?] })
    }
}

/// The secret of an invite's URI: 128 random bits. Whoever shows it is admitted, so it prints nothing.
#[derive(Serialize, Deserialize)]
pub struct InviteSecret(Zeroizing<[u8; 16]>);

impl InviteSecret {
    /// A new secret from `rng`.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = Zeroizing::new([0; 16]);
        rng.fill_bytes(bytes.as_mut_slice());
        Self(bytes)
    }

    /// The same secret once more, for another attempt with the same URI.
    pub(crate) fn again(&self) -> Self {
        Self(self.0.clone())
    }

    /// What an authority keeps of it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Label::InviteSecret.hash(&[self.0.as_slice()])
    }
}

impl PartialEq for InviteSecret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(other.0.as_slice()).into()
    }
}

impl Eq for InviteSecret {}

impl fmt::Debug for InviteSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteSecret(..)")
    }
}

const SCHEME: &str = "lanyard://";

/// `lanyard://ADDR[,ADDR…]/NETWORK?root=FINGERPRINT[&invite=SECRET]`: where the authority is, how it is known,
/// and, as a rule, the secret that admits.
#[derive(Debug, PartialEq, Eq)]
pub struct InviteUri {
    /// Where the authority listens: one to eight addresses.
    pub addresses: Vec<SocketAddr>,
    /// The network's name.
    pub network: NetworkName,
    /// The pin of its CA key: no other authority is believed.
    pub root: Fingerprint,
    /// The secret that admits, if there is one.
    pub secret: Option<InviteSecret>,
}

/// With its secret: only for whom it is meant.
impl fmt::Display for InviteUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<String> = self.addresses.iter().map(SocketAddr::to_string).collect();
        write!(f, "{SCHEME}{}/{}?root={}", addresses.join(","), self.network, self.root)?;
        match &self.secret {
            Some(secret) => write!(f, "&invite={}", HEXLOWER.encode(secret.0.as_slice())),
            None => Ok(()),
        }
    }
}

impl FromStr for InviteUri {
    type Err = InvitationError;

    fn from_str(text: &str) -> Result<Self, InvitationError> {
        let damaged = |what: &str| InvitationError::Uri(what.to_owned());
        let rest = text.strip_prefix(SCHEME).ok_or(InvitationError::Neither)?;
        let (addresses, rest) = rest.split_once('/').ok_or_else(|| damaged("no network name"))?;
        let (network, query) = rest.split_once('?').ok_or_else(|| damaged("no root=FINGERPRINT"))?;
        let addresses = addresses
            .split(',')
            .map(|address| address.parse().map_err(|_| damaged("an address that is not IP:PORT")))
            .collect::<Result<Vec<_>, _>>()?;
        if addresses.len() > ADDRESSES_MAX {
            return Err(damaged("more than eight addresses"));
        }
        let network = network.parse().map_err(|error| InvitationError::Uri(format!("{error}")))?;
        let (mut root, mut secret) = (None, None);
        for pair in query.split('&') {
            match pair.split_once('=') {
                Some(("root", value)) if root.is_none() => {
                    root = Some(value.parse().map_err(|_| damaged("the fingerprint"))?);
                }
                Some(("invite", value)) if secret.is_none() => secret = Some(parse_secret(value)?),
                _ => return Err(damaged("something other than one root=… and one invite=…")),
            }
        }
        let root = root.ok_or_else(|| damaged("no root=FINGERPRINT"))?;
        Ok(Self { addresses, network, root, secret })
    }
}

fn parse_secret(hex: &str) -> Result<InviteSecret, InvitationError> {
    let bytes = HEXLOWER.decode(hex.as_bytes()).map(Zeroizing::new).ok();
    let bytes: Option<[u8; 16]> = bytes.and_then(|bytes| bytes.as_slice().try_into().ok());
    bytes
        .map(|bytes| InviteSecret(Zeroizing::new(bytes)))
        .ok_or_else(|| InvitationError::Uri("the invite is not 32 hexadecimal digits".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_code_as_people_type_it() {
        for text in ["7-harbour-violet", " 7-Harbour-Violet\n", "7 harbour violet"] {
            let Ok(Invitation::Code(code)) = text.parse() else { panic!("{text}") };
            assert_eq!(
                (code.nameplate(), code.secret().as_slice()),
                (7, b"harbour-violet".as_slice()),
                "{text}"
            );
            assert_eq!(code.to_string(), "7-harbour-violet");
        }
    }

    #[test]
    fn names_the_word_that_is_wrong_and_the_one_that_was_meant() {
        let error = "7-harbor-violet".parse::<Invitation>().unwrap_err();
        assert_eq!(error, InvitationError::Word { word: "harbor".into(), nearest: "harbour" });
    }

    #[test]
    fn refuses_what_is_neither() {
        for text in [
            "",
            "7",
            "harbour-violet",
            "7-harbour",
            "-harbour-violet",
            "x-harbour-violet",
            "99999999999-harbour-violet",
        ] {
            assert_eq!(text.parse::<Invitation>().unwrap_err(), InvitationError::Neither, "{text}");
        }
    }

    #[test]
    fn reads_the_uri_that_it_writes() {
        let text = format!(
            "lanyard://192.0.2.1:4610,[2001:db8::1]:4610/shop.lan?root={}&invite={}",
            "ab".repeat(32),
            "0f".repeat(16)
        );
        let Ok(Invitation::Uri(uri)) = text.parse() else { panic!("{text}") };
        assert_eq!(uri.to_string(), text);
        assert_eq!(uri.addresses.len(), 2);
    }

    #[test]
    fn refuses_damaged_uris() {
        let root = "ab".repeat(32);
        for text in [
            "lanyard://".to_owned(),
            format!("lanyard:///shop.lan?root={root}"),
            format!("lanyard://host:1/shop.lan?root={root}"),
            format!("lanyard://192.0.2.1:1/shop.lan?root={root}&root={root}"),
            format!("lanyard://192.0.2.1:1/shop.lan?root={root}&invite=12"),
            format!("lanyard://192.0.2.1:1/shop.lan?root={root}&other=1"),
            format!("lanyard://192.0.2.1:1/SHOP?root={root}"),
            "lanyard://192.0.2.1:1/shop.lan".to_owned(),
            format!("lanyard://{}/shop.lan?root={root}", ["192.0.2.1:1"; 9].join(",")),
        ] {
            assert!(matches!(text.parse::<Invitation>(), Err(InvitationError::Uri(_))), "{text}");
        }
    }
}
