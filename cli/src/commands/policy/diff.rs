//! What differs between two texts, line by line.

/// Lines around a change that are shown with it.
const AROUND: usize = 2;

/// The lines that were taken away (`-`) and those that were added (`+`), with a few around them; nothing between equal
/// texts.
pub(super) fn lines(old: &str, new: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let all = marked(&old, &new);
    let changed = |place: usize| all.get(place).is_some_and(|(mark, _)| *mark != ' ');
    let near = |place: usize| (place.saturating_sub(AROUND)..=place + AROUND).any(changed);
    let shown = all.iter().enumerate().filter(|(place, _)| near(*place));
    shown.map(|(_, (mark, line))| format!("{mark} {line}")).collect()
}

/// Pairs of lines that are compared: 16 MiB of memory. What is larger is shown as taken away and added as a whole.
const PAIRS_MAX: usize = 4 << 20;

/// Every line of both, with a space before those that both have: a longest common subsequence.
fn marked<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    // How long the longest is of what follows each pair of places.
    let width = new.len() + 1;
    if (old.len() + 1).saturating_mul(width) > PAIRS_MAX {
        let taken = old.iter().map(|line| ('-', *line));
        return taken.chain(new.iter().map(|line| ('+', *line))).collect();
    }
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for (i, before) in old.iter().enumerate().rev() {
        for (j, after) in new.iter().enumerate().rev() {
            common[i * width + j] = if before == after {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        match (old.get(i), new.get(j)) {
            (Some(before), Some(after)) if before == after => {
                lines.push((' ', *before));
                (i, j) = (i + 1, j + 1);
            }
            (Some(before), after)
                if after.is_none() || common[(i + 1) * width + j] >= common[i * width + j + 1] =>
            {
                lines.push(('-', *before));
                i += 1;
            }
            (_, Some(after)) => {
                lines.push(('+', *after));
                j += 1;
            }
            (_, None) => break,
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_was_taken_away_and_added_with_two_lines_around() {
        let old = "a\nb\nc\nd\ne\nf\ng\n";
        assert!(lines(old, old).is_empty());
        assert_eq!(lines(old, "a\nb\nc\nd\ne\nx\ng\n"), ["  d", "  e", "- f", "+ x", "  g"]);
        assert_eq!(lines(old, "b\nc\nd\ne\nf\ng\n"), ["- a", "  b", "  c"]);
        assert_eq!(lines("", "a\nb"), ["+ a", "+ b"]);
        assert_eq!(lines("a\nb", ""), ["- a", "- b"]);
    }

    /// D4: two texts of nothing but line ends take no more memory than that.
    #[test]
    fn texts_with_very_many_lines_are_compared_as_a_whole() {
        let many = "\n".repeat(60_000);
        assert_eq!(lines(&many, &format!("{many}x")).len(), 120_001);
    }
}
