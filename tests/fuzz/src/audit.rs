//! A line of an audit log, as whoever can write the disk may have left it.

use std::sync::LazyLock;

use lanyard_protocol::audit::{Chain, ChainKey, Entry, Position, Record, What};
use lanyard_protocol::time::Timestamp;

/// The last line of a small log, and the place in front of it.
static LOG: LazyLock<(ChainKey, Position, String)> = LazyLock::new(|| {
    let key = ChainKey::new([7; 32].into());
    let entry =
        |about: &str| Entry::new(Timestamp::from_secs(1_800_000_000), What::TicketMinted).about(about);
    let mut chain = Chain::at(&key, Position::BEGINNING);
    let _ = chain.link(&serde_json::to_string(&entry("chat@office")).unwrap());
    let before = chain.position();
    let line = chain.link(&serde_json::to_string(&entry("stock@office")).unwrap());
    (key, before, line)
});

/// A genuine line.
#[cfg(test)]
pub(crate) fn good_line() -> Vec<u8> {
    LOG.2.clone().into_bytes()
}

/// A line of an audit log: only the one that was written there is believed.
pub fn audit_line(data: &[u8]) {
    let (key, before, line) = &*LOG;
    let believed = Chain::at(key, *before).check(data).is_ok();
    assert_eq!(believed, data == line.as_bytes());
    let _ = Position::behind(data);
    if let Some(told) = Position::before(data) {
        assert_eq!(Chain::at(key, told).check(data).is_ok(), believed);
    }
    if let Ok(record) = serde_json::from_slice::<Record>(data) {
        assert!(!believed || record.entry.about == "stock@office");
    }
}
