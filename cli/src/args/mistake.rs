//! What is told of arguments that are wrong.

use core::time::Duration;

use lanyard_protocol::control::{Code, Failure};

/// The parser's page as the two lines of every error: what is wrong, then its tip or the command's usage.
pub(super) fn usage(page: &str) -> Failure {
    let mut paragraphs = page.split("\n\n").map(|lines| {
        let words = lines.lines().map(str::trim).filter(|line| !line.is_empty());
        words.collect::<Vec<_>>().join(" ")
    });
    let message = paragraphs.next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(&message).to_owned();
    let rest: Vec<String> = paragraphs.collect();
    let line = |prefix: &str| rest.iter().find_map(|text| text.strip_prefix(prefix)).map(str::to_owned);
    let remedy = line("tip: ")
        .or_else(|| line("Usage: ").map(|usage| format!("usage: {usage}")))
        .unwrap_or_else(|| "`--help` says what there is".to_owned());
    Failure::new(Code::Usage, message, remedy)
}

/// A duration in one unit: `90s`, `10m`, `24h`, `7d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let refused = || "use a number and a unit, as in 90s, 10m, 24h or 7d".to_owned();
    let unit = text.chars().last().ok_or_else(refused)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return Err(refused()),
    };
    let digits = &text[..text.len() - unit.len_utf8()];
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refused());
    }
    let number: u64 = digits.parse().map_err(|_| refused())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::Cli;

    #[test]
    fn reads_durations_in_one_unit() {
        for (text, seconds) in [("0s", 0), ("90s", 90), ("10m", 600), ("24h", 86_400), ("7d", 604_800)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in
            ["", "s", "10", "1w", "-1s", "+1s", "1.5h", "1h30m", " 1s", "1 s", "1é", "99999999999999999999d"]
        {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn tells_a_mistake_in_two_lines() {
        for arguments in [
            &["lanyard", "stauts"][..],
            &["lanyard", "status", "--jsno"],
            &["lanyard", "ping"],
            &["lanyard", "ping", "Not A Name"],
            &["lanyard", "invite", "--ttl", "soon"],
            &["lanyard", "init", "--admission", "wep"],
            &["lanyard", "admission", "guid", "add", "00"],
            &["lanyard"],
        ] {
            let error = Cli::try_parse_from(arguments).unwrap_err();
            let failure = usage(&error.render().to_string());
            assert!(!failure.message.contains('\n') && !failure.message.is_empty(), "{failure:?}");
            assert!(!failure.remedy.contains('\n') && !failure.remedy.is_empty(), "{failure:?}");
        }
    }
}
