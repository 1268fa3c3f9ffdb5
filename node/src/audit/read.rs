//! The records of a log, for whoever wants to look at them. Whether they are genuine says the verification.

use std::io;
use std::path::Path;

use lanyard_protocol::audit::{Page, Record};

use super::files::{Line, Lines, segments};
use super::log::AuditError;

/// The most records of an answer: a few hundred kilobytes, so that whoever reads a whole log does it page by page.
pub(crate) const PAGE_MAX: usize = 1000;

/// The records from number `from` up to `last`, at most `limit`.
pub(super) fn page(dir: &Path, from: u64, limit: usize, last: Option<u64>) -> Result<Page, AuditError> {
    let mut page = Page { next: from.max(1), ..Page::default() };
    collect(dir, &mut page, limit.min(PAGE_MAX), last.unwrap_or(u64::MAX))
        .map_err(AuditError::io("read", dir))?;
    Ok(page)
}

fn collect(dir: &Path, page: &mut Page, limit: usize, last: u64) -> io::Result<()> {
    let segments = segments(dir)?;
    let begin = segments.iter().rposition(|segment| segment.first <= page.next).unwrap_or_default();
    for segment in segments.iter().skip(begin) {
        let mut lines = Lines::of(&segment.path)?;
        while let Some(Line::Whole(line)) = lines.next()? {
            let Ok(record) = serde_json::from_slice::<Record>(line) else {
                page.unreadable += 1;
                continue;
            };
            if record.number > last {
                return Ok(());
            }
            if record.number < page.next {
                continue;
            }
            if page.records.len() == limit {
                page.more = true;
                return Ok(());
            }
            page.next = record.number + 1;
            page.records.push(record);
        }
    }
    Ok(())
}
