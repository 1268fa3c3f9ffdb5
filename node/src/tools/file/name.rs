//! File names that others chose, confined to one component that is safe on every host.

use core::fmt;

/// A file name of one path component that stays where it is put and shows what it is.
///
/// Between 1 and 255 bytes; no separator, no control, invisible or direction-changing character, no leading
/// dot or dash, no trailing dot or space, no name that Windows keeps for a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafeName(String);

/// The longest file name that common file systems take, in bytes.
const NAME_MAX: usize = 255;

/// Why a name is not safe to make a file of. The name is cut to 80 characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing, or nothing but dots.
    #[error("{0:?} names no file")]
    Empty(String),
    /// Too long for a file system.
    #[error("the name has {actual} bytes where at most {NAME_MAX} are allowed")]
    TooLong {
        /// The bytes that it has.
        actual: usize,
    },
    /// More than one path component, or another stream of a file.
    #[error("{0:?} is a path: a name has no '/', '\\' or ':'")]
    Path(String),
    /// A name that hides the file or configures a program.
    #[error("{0:?} starts with a dot")]
    Hidden(String),
    /// A name that a program takes for an option when it is given every file of a folder.
    #[error("{0:?} starts with a dash")]
    Option(String),
    /// A character that cannot be seen or that changes what is seen.
    #[error("{name:?} holds the invisible character U+{character:04X}", character = u32::from(*.character))]
    Invisible {
        /// The name.
        name: String,
        /// The first such character.
        character: char,
    },
    /// A name that some file systems read as another one.
    #[error("{0:?} ends with a dot or begins or ends with a space")]
    Trimmed(String),
    /// A name that Windows keeps for a device, or a character that it does not allow.
    #[error("{0:?} is not a file name on every system")]
    Reserved(String),
}

/// `text` as a safe name. Nothing is replaced: a name that is not safe is refused.
///
/// # Errors
/// [`NameError`], which says what is wrong with it.
pub fn safe_name(text: &str) -> Result<SafeName, NameError> {
    let shown = || text.chars().take(80).collect::<String>();
    if text.len() > NAME_MAX {
        return Err(NameError::TooLong { actual: text.len() });
    }
    if text.chars().all(|character| character == '.' || character == ' ') {
        return Err(NameError::Empty(shown()));
    }
    if text.contains(['/', '\\', ':']) {
        return Err(NameError::Path(shown()));
    }
    if let Some(character) = text.chars().find(|character| is_invisible(*character)) {
        return Err(NameError::Invisible { name: shown(), character });
    }
    if text.starts_with('.') {
        return Err(NameError::Hidden(shown()));
    }
    if text.starts_with('-') {
        return Err(NameError::Option(shown()));
    }
    if text.ends_with('.') || text.trim() != text {
        return Err(NameError::Trimmed(shown()));
    }
    if text.contains(['<', '>', '"', '|', '?', '*']) || is_device(text) {
        return Err(NameError::Reserved(shown()));
    }
    Ok(SafeName(text.to_owned()))
}

/// Controls (C0, DEL, C1), line separators, and format characters: those that change the direction of text, join
/// or hide characters, or tag them (Unicode 16, categories Cc, Cf, Zl, Zp, and the fillers that look like nothing).
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffd}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether Windows opens a device by this name, whatever the extension.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    match stem.as_str() {
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" => true,
        _ => ["COM", "LPT"].into_iter().filter_map(|port| stem.strip_prefix(port)).any(|number| {
            matches!(number, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³")
        }),
    }
}

impl SafeName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name under which the file is written until it is complete: hidden, and its own for every offer.
    pub(super) fn partial(&self, id: &str) -> String {
        let room = NAME_MAX - id.len() - "...part".len();
        format!(".{}.{id}.part", cut(&self.0, room))
    }

    /// The name that the file gets when `number` files already have the earlier ones: `name (2).ext`.
    pub(super) fn numbered(&self, number: u32) -> String {
        if number == 0 {
            return self.0.clone();
        }
        let (stem, extension) = match self.0.rfind('.') {
            Some(dot) if dot > 0 && self.0.len() - dot <= 16 => self.0.split_at(dot),
            _ => (self.0.as_str(), ""),
        };
        let suffix = format!(" ({number}){extension}");
        format!("{}{suffix}", cut(stem, NAME_MAX - suffix.len()))
    }
}

impl fmt::Display for SafeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether `name` has the form that [`SafeName::partial`] gives to names, with an id of 32 digits.
pub(super) fn is_partial(name: &str) -> bool {
    let inner = name.strip_prefix('.').and_then(|rest| rest.strip_suffix(".part"));
    let Some((name, id)) = inner.and_then(|inner| inner.rsplit_once('.')) else { return false };
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    !name.is_empty() && !name.starts_with('.') && id.len() == 32 && id.bytes().all(is_digit)
}

/// As many characters of `text` as have room in `max` bytes.
fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// H1: every name that leaves the folder, hides, deceives, is taken for an option or breaks a file system is refused.
    #[test]
    fn refuses_names_that_are_not_one_visible_component() {
        let long = "x".repeat(256);
        let wide = "ä".repeat(128);
        let bad = [
            "",
            ".",
            "..",
            "...",
            " ",
            ". .",
            "../x",
            "/etc/x",
            "a/../../x",
            "..\\x",
            "a\\b",
            "C:\\x",
            "C:x",
            "x:stream",
            "a/b",
            "/",
            "x/",
            ".ssh/authorized_keys",
            ".bashrc",
            ".x.part",
            "-",
            "-rf",
            "--checkpoint-action=exec=sh",
            "x\n",
            "x\ry",
            "x\0",
            "\u{1b}]0;title\u{7}",
            "x\u{7f}",
            "x\u{9b}2J",
            "x.",
            "x ",
            " x",
            "x. .",
            "x\u{a0}",
            "\u{3000}x",
            "photo\u{202e}gpj.exe",
            "a\u{200f}b",
            "a\u{2066}b\u{2069}",
            "a\u{200b}b",
            "\u{feff}a",
            "a\u{ad}b",
            "a\u{2028}b",
            "a\u{e0041}b",
            "\u{3164}",
            "a\u{fe0f}",
            "a\u{fffd}",
            "CON",
            "con",
            "Con.txt",
            "NUL.tar.gz",
            "aux",
            "PRN",
            "COM1",
            "com9.log",
            "lpt0",
            "LPT¹",
            "CON .txt",
            "CONIN$",
            "a<b",
            "a>b",
            "a\"b",
            "a|b",
            "a?b",
            "a*b",
            &long,
            &wide,
        ];
        for name in bad {
            assert!(safe_name(name).is_err(), "{name:?} was taken");
        }
    }

    #[test]
    fn accepts_names_that_people_give() {
        let long = "x".repeat(255);
        for name in [
            "report.pdf",
            "a",
            "Zürich 2026.ods",
            "写真.jpg",
            "отчёт.txt",
            "résumé (1).doc",
            "tar.gz",
            "a b c",
            "console.log",
            "COM10",
            "comet",
            "null",
            "100%.txt",
            "it's.txt",
            "a-b",
            "~x",
            "$HOME",
            &long,
        ] {
            assert_eq!(safe_name(name).map(|safe| safe.to_string()).as_deref(), Ok(name));
        }
    }

    /// H1: a refusal shows the name without acting on the terminal.
    #[test]
    fn a_refusal_shows_names_escaped() {
        let error = safe_name("x\u{1b}[2J").unwrap_err().to_string();
        assert!(error.contains("\\u{1b}") && !error.contains('\u{1b}'), "{error}");
    }

    /// H2: a second file of the same name gets a number, and every derived name still fits.
    #[test]
    fn derived_names_are_one_component_of_at_most_255_bytes() {
        let id = "0".repeat(32);
        for (name, third) in [("a.txt", "a (2).txt"), ("a", "a (2)"), ("a.tar.gz", "a.tar (2).gz")] {
            let name = safe_name(name).unwrap();
            assert_eq!(name.numbered(0), name.as_str());
            assert_eq!(name.numbered(2), third);
            assert_eq!(name.partial(&id), format!(".{name}.{id}.part"));
        }
        for long in ["x".repeat(255), "ä".repeat(127), format!("{}.txt", "ä".repeat(125))] {
            let long = safe_name(&long).unwrap();
            assert!(long.partial(&id).len() <= 255 && long.numbered(999).len() <= 255);
            assert!(safe_name(&long.numbered(999)).is_ok(), "{}", long.numbered(999));
        }
    }

    /// H3: what is removed as abandoned is only what has been named here.
    #[test]
    fn only_names_of_unfinished_files_are_taken_for_such() {
        let id = "0123456789abcdef".repeat(2);
        for name in ["a.txt", "a", "a.b.c", "写真.jpg", &"x".repeat(255)] {
            assert!(is_partial(&safe_name(name).unwrap().partial(&id)), "{name}");
        }
        let short = &id[1..];
        for name in [
            format!("a.txt.{id}.part"),
            format!(".a.txt.{short}.part"),
            format!(".a.txt.{id}0.part"),
            format!(".a.txt.{}.part", id.to_uppercase()),
            format!(".a.txt.{short}g.part"),
            format!(".a.txt.{id}.part2"),
            format!(".a.txt.{id}"),
            format!(".a.txt{id}.part"),
            format!("..{id}.part"),
            format!("...{id}.part"),
            format!(".{id}.part"),
            ".a.txt.part".to_owned(),
            ".part".to_owned(),
            String::new(),
        ] {
            assert!(!is_partial(&name), "{name}");
        }
    }
}
