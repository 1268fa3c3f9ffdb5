//! What is not said beside the code: the wire format, the threat model and the reasons for the defaults.
//!
//! Pages for readers; there is nothing to call in here.

/// Every byte on the wire.
#[doc = include_str!("wire.md")]
pub mod wire {}

/// What a hostile peer may try, and what Lanyard does not defend against.
#[doc = include_str!("threats.md")]
pub mod threats {}

/// Every limit and default, and why that number.
#[doc = include_str!("defaults.md")]
pub mod defaults {}

#[cfg(test)]
mod tests {
    use crate::channel::ChannelReject;
    use crate::codec;
    use crate::label::Label;
    use crate::message::{Request, Response};
    use crate::reject::Reject;

    const WIRE: &str = include_str!("wire.md");

    /// The page names every label and no other.
    #[test]
    fn the_wire_page_has_the_labels_that_the_code_has() {
        let written = |line: &&str| line.starts_with("| `lanyard/");
        let rows: Vec<&str> = WIRE.lines().filter(written).collect();
        assert_eq!(rows.len(), Label::ALL.len());
        for label in Label::ALL {
            assert!(
                rows.iter().any(|row| row.starts_with(&format!("| `{}` |", label.as_str()))),
                "{label:?}"
            );
        }
    }

    #[test]
    fn the_wire_page_has_the_refusals_that_the_code_has() {
        for reason in ChannelReject::ALL {
            let row = format!("| `{:#04x}` | {reason} |", reason as u8);
            assert!(WIRE.contains(&row), "{row}");
        }
    }

    /// The last variants have the numbers that the page gives them, so no other stands in front of them.
    #[test]
    fn the_wire_page_has_the_numbers_that_the_code_has() {
        for (encoded, row) in [
            (codec::encode(&Request::WhoIs), "| 0 | `WhoIs` |"),
            (codec::encode(&Request::Ping), "| 7 | `Ping` | members | `Pong` |"),
            (
                codec::encode(&Response::Waiting),
                "| 11 | [`LogIn`](#people) | members | `Waiting`, to `Enrol` |",
            ),
            (codec::encode(&Response::Pong), "| 7 | `Ping` | members | `Pong` |"),
            (
                codec::encode(&Response::Reject(Reject::Busy))[..1].to_vec(),
                "| 8 | [`Revocations`](#revocations) | members | `Reject`, to any |",
            ),
            (codec::encode(&Reject::Busy), "| 0 | `Busy` |"),
            (codec::encode(&Reject::Unknown), "| 15 | `Unknown` |"),
            (codec::encode(&Reject::Refused), "| 20 | `Refused` |"),
            (codec::encode(&Reject::TooManyGuesses), "| 23 | `TooManyGuesses` |"),
        ] {
            assert!(row.contains(&format!("| {} |", encoded[0])), "{encoded:?} {row}");
            assert_eq!(encoded.len(), 1, "{row}");
            assert!(WIRE.contains(row), "{row}");
        }
    }
}
