//! Figures as people read them, and text that a terminal shows as it is.

use std::borrow::Cow;

/// `text` with every character that could steer a terminal or hide what stands around it written out.
#[must_use]
pub fn escaped(text: &str) -> Cow<'_, str> {
    let plain = |character: char| matches!(character, ' '..='~') || character.is_alphanumeric();
    if text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if plain(character) {
            shown.push(character);
        } else {
            shown.extend(character.escape_debug());
        }
    }
    Cow::Owned(shown)
}

/// Rows under their headings, a line each, every column as wide as it has to be.
#[must_use]
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let headings = headings.iter().map(ToString::to_string).collect();
    columns(core::iter::once(headings).chain(rows.iter().cloned()).collect())
}

/// Rows, a line each, every column as wide as it has to be.
pub(super) fn columns(rows: Vec<Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| row.into_iter().map(|cell| escaped(&cell).into_owned()).collect())
        .collect();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..rows.iter().map(Vec::len).max().unwrap_or(0)).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A number with its thousands apart: `12,345`.
pub(super) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut shown = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// The same of a count in memory.
pub(super) fn count(value: usize) -> String {
    number(value as u64)
}

/// A number of bytes in powers of 1,000: `713 B`, `1.5 kB`.
pub(super) fn bytes(value: f64) -> String {
    scaled(value, &[(1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")])
}

/// A duration in seconds: `3 ms`, `1.5 s`, `2 min`.
pub(super) fn seconds(value: f64) -> String {
    let units = [(86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs")];
    // 90 s and not 1.5 min.
    let from = if value < 180.0 { 3 } else { 0 };
    scaled(value, &units[from..])
}

/// In the largest unit that it has one of, with three digits that count at the most.
fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    let fits = units.iter().find(|(scale, _)| value >= *scale * 0.9995).or_else(|| units.last());
    let (scale, unit) = fits.copied().unwrap_or((1.0, ""));
    let value = value / scale;
    let places = if value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    let digits = format!("{value:.places$}");
    let digits =
        if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { &digits };
    format!("{digits} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_have_their_units() {
        assert_eq!([0, 999, 1000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.0, 713.0, 1500.0, 2e6].map(bytes), ["0 B", "713 B", "1.5 kB", "2 MB"]);
        assert_eq!(
            [0.0, 0.000_3, 0.012_34, 1.0, 90.0, 600.0, 7200.0, 172_800.0].map(seconds),
            ["0 µs", "300 µs", "12.3 ms", "1 s", "90 s", "10 min", "2 h", "2 d"]
        );
    }

    /// H4: a scenario's names reach no terminal as they are.
    #[test]
    fn escapes_what_steers_a_terminal() {
        assert_eq!(escaped("till-3, \"Zoë\" 你好"), "till-3, \"Zoë\" 你好");
        assert_eq!(escaped("\u{1b}[2J\u{202e}\n"), "\\u{1b}[2J\\u{202e}\\n");
    }

    #[test]
    fn aligns_columns_by_what_is_shown() {
        let rows = [vec!["\u{1b}".to_owned(), "1".to_owned()], vec!["till".to_owned(), String::new()]];
        assert_eq!(table(&["HOST", "SIZE"], &rows), "HOST    SIZE\n\\u{1b}  1\ntill\n");
    }
}
