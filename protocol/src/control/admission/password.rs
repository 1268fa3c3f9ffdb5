//! A password that people type, and how hard it is to guess.

use core::fmt;

use icu_normalizer::ComposingNormalizerBorrowed;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// The least strength of a network's password, in bits: at thirty guesses a day nobody gets there, and a stolen store
/// costs a hundred thousand years of one core with Argon2id.
pub const STRENGTH_MIN: u32 = 40;

/// The longest password in bytes: a long sentence.
const BYTES_MAX: usize = 256;

/// Text that is no password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Nothing but white space.
    #[error("the password is empty")]
    Empty,
    /// More than a sentence.
    #[error("the password has more than 256 bytes")]
    Long,
    /// A line break or another control character inside.
    #[error("the password has a line break or another control character in it")]
    Control,
}

/// A password as somebody typed it, in one form: white space at both ends is cut off, and the rest is in Unicode's
/// normal form C, so that an `é` is the same from every keyboard. Case and inner spaces count.
///
/// Zeroized on drop, compared in constant time, and prints nothing of itself.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Typed", into = "Typed")]
pub struct Password(Zeroizing<String>);

/// The text of a password on its way through the local API.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Typed(Zeroizing<String>);

impl Password {
    /// The password that `text` is.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub fn new(text: &str) -> Result<Self, PasswordError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(PasswordError::Empty);
        }
        if text.chars().any(char::is_control) {
            return Err(PasswordError::Control);
        }
        let normal = Zeroizing::new(ComposingNormalizerBorrowed::new_nfc().normalize(text).into_owned());
        if normal.len() > BYTES_MAX { Err(PasswordError::Long) } else { Ok(Self(normal)) }
    }

    /// The text, to be passed on where nobody else reads it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is stretched.
    pub(crate) fn secret(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.as_bytes().to_vec())
    }

    /// How many bits a guesser needs who knows how people choose passwords: an estimate from below.
    ///
    /// What looks like a word counts eleven bits however long it is, and what repeats, runs along the alphabet, the
    /// digits or the keyboard, or is one of the passwords that everybody tries counts next to nothing. So a random
    /// sequence of letters may be taken for a word, and four words are strong enough.
    #[must_use]
    pub fn strength(&self) -> u32 {
        let mut rest = plain(&self.0.to_lowercase().chars().collect::<Vec<char>>());
        let upper = self.0.chars().any(char::is_uppercase) && self.0.chars().any(char::is_lowercase);
        let mut bits = f64::from(u8::from(upper));
        let mut seen: Vec<String> = Vec::new();
        while !rest.is_empty() {
            let (length, worth) = token(&rest);
            let token: String = rest.drain(..length).collect();
            bits += if seen.contains(&token) { 1.0 } else { worth };
            seen.push(token);
        }
        bits as u32
    }
}

/// Letters instead of the digits and signs that people write for them inside a word.
fn plain(typed: &[char]) -> Vec<char> {
    let letter = |at: Option<usize>| at.and_then(|at| typed.get(at)).is_some_and(|c| c.is_alphabetic());
    let plain = |(at, character): (usize, &char)| {
        let inside = letter(at.checked_sub(1)) && letter(Some(at + 1));
        match character {
            '@' => 'a',
            '$' => 's',
            '0' if inside => 'o',
            '1' if inside => 'i',
            '3' if inside => 'e',
            '4' if inside => 'a',
            '5' if inside => 's',
            other => *other,
        }
    };
    typed.iter().enumerate().map(plain).collect()
}

/// What everybody tries first, and what words are built around.
const COMMON: [&str; 24] = [
    "password",
    "passwort",
    "motdepasse",
    "contrasena",
    "lanyard",
    "network",
    "letmein",
    "welcome",
    "admin",
    "login",
    "secret",
    "master",
    "dragon",
    "monkey",
    "football",
    "baseball",
    "iloveyou",
    "sunshine",
    "princess",
    "shadow",
    "trustno",
    "changeme",
    "default",
    "guest",
];

/// Rows along which fingers run.
const ROWS: [&str; 8] = [
    "abcdefghijklmnopqrstuvwxyz",
    "zyxwvutsrqponmlkjihgfedcba",
    "01234567890",
    "09876543210",
    "qwertyuiop",
    "qwertzuiop",
    "asdfghjkl",
    "zxcvbnm",
];

/// The first part of `rest`: how many characters, and how many bits it is worth.
fn token(rest: &[char]) -> (usize, f64) {
    let run = rest.iter().take_while(|letter| **letter == rest[0]).count();
    if run >= 3 {
        return (run, 4.0);
    }
    if let Some(length) = along_a_row(rest) {
        return (length, 4.0);
    }
    if let Some(common) = COMMON.iter().find(|common| starts_with(rest, common)) {
        return (common.len(), 3.0);
    }
    let alphabetic = rest.iter().take_while(|letter| letter.is_alphabetic()).count();
    if alphabetic >= 3 {
        let each = alphabetic as f64 * 4.0;
        return (alphabetic, if is_pronounceable(&rest[..alphabetic]) { each.min(11.0) } else { each });
    }
    let digits = rest.iter().take_while(|letter| letter.is_ascii_digit()).count();
    match (alphabetic, digits) {
        // A year, or a day and a month.
        (0, 4) => (4, 8.0),
        (0, 1..) => (digits, digits as f64 * 3.0),
        (0, 0) => (1, if rest[0].is_whitespace() || rest[0] == '-' { 0.5 } else { 4.0 }),
        (letters, _) => (letters, letters as f64 * 4.0),
    }
}

fn starts_with(rest: &[char], word: &str) -> bool {
    word.chars().count() <= rest.len() && word.chars().zip(rest).all(|(a, b)| a == *b)
}

fn along_a_row(rest: &[char]) -> Option<usize> {
    let longest = |row: &&str| {
        let row: Vec<char> = row.chars().collect();
        let from = row.iter().position(|letter| *letter == rest[0])?;
        let length = row[from..].iter().zip(rest).take_while(|(a, b)| a == b).count();
        (length >= 3).then_some(length)
    };
    ROWS.iter().filter_map(longest).max()
}

/// Whether a person would take it for a word: vowels and consonants take turns, more or less.
fn is_pronounceable(letters: &[char]) -> bool {
    let vowel = |letter: &char| !letter.is_ascii() || "aeiouy".contains(*letter);
    let clusters = letters.chunk_by(|a, b| vowel(a) == vowel(b)).map(<[char]>::len).max();
    letters.iter().any(vowel) && clusters.unwrap_or(0) <= 4
}

impl TryFrom<Typed> for Password {
    type Error = PasswordError;

    fn try_from(typed: Typed) -> Result<Self, PasswordError> {
        Self::new(&typed.0)
    }
}

impl From<Password> for Typed {
    fn from(password: Password) -> Self {
        Self(password.0)
    }
}

impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Password {}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_has_one_form() {
        let password = |text| Password::new(text).unwrap();
        assert_eq!(password(" grüne Wiese\r\n"), password("gru\u{308}ne Wiese"));
        assert_ne!(password("grüne wiese"), password("grüne Wiese"));
        assert_ne!(password("grüne  Wiese"), password("grüne Wiese"));
        assert_eq!(Password::new(" \n"), Err(PasswordError::Empty));
        assert_eq!(Password::new("two\nlines"), Err(PasswordError::Control));
        assert_eq!(Password::new(&"x".repeat(257)), Err(PasswordError::Long));
    }

    /// G6: a password prints nothing, and passes through the local API.
    #[test]
    fn prints_nothing() {
        let password = Password::new("do not show this").unwrap();
        assert_eq!(format!("{password:?}"), "Password(..)");
        let json = serde_json::to_string(&password).unwrap();
        assert_eq!(serde_json::from_str::<Password>(&json).unwrap(), password);
    }

    /// A16: what people choose is weak, and four words or ten random characters are not.
    #[test]
    fn tells_weak_passwords_from_strong_ones() {
        for weak in [
            "password",
            "P@ssword123",
            "hunter2",
            "qwertyuiop",
            "12345678901234567890",
            "aaaaaaaaaaaaaaaa",
            "shop2026",
            "Summer2026!",
            "correct horse",
            "correct horse battery",
            "letmein-letmein-letmein-letmein",
            "lanyard lanyard",
            "abcdefghijklmnop",
            "Tr0ub4dor&3",
            "monkey monkey monkey monkey monkey",
        ] {
            let strength = Password::new(weak).unwrap().strength();
            assert!(strength < STRENGTH_MIN, "{weak}: {strength}");
        }
        for strong in [
            "correct horse battery staple",
            "harbour-violet-lantern-copper",
            "k7#Gf2Px!Qm9",
            "xkqzvbtrpw-wqk",
            "9f86d081884c7d65",
            "blaue Katze trinkt selten Kaffee",
        ] {
            let strength = Password::new(strong).unwrap().strength();
            assert!(strength >= STRENGTH_MIN, "{strong}: {strength}");
        }
    }
}
