//! Whether a log is as it was written.

use std::io;
use std::path::Path;

use lanyard_protocol::audit::{Chain, ChainKey, Extent, Fault, Found, Report};

use super::files::{Line, Lines, Segment, segments};
use super::log::AuditError;

/// Verifies the log in `dir`, up to record `until` if that is said: a node that runs goes on writing.
pub(super) fn report(
    dir: &Path,
    key: &ChainKey,
    extent: &Extent,
    until: Option<u64>,
) -> Result<Report, AuditError> {
    let mut check = Check { chain: Chain::at(key, extent.first), extent, until, unfinished: 0 };
    let fault = check.log(dir).map_err(AuditError::io("read", dir))?;
    let (first, last) = (extent.first.number, check.chain.position().number);
    Ok(Report {
        records: last - first,
        first: first + 1,
        last,
        unfinished: check.unfinished,
        fault: fault.map(|(file, line, fault)| Found {
            number: last + 1,
            file: file.path,
            line,
            what: fault.to_string(),
        }),
    })
}

struct Check<'a> {
    chain: Chain<'a>,
    extent: &'a Extent,
    until: Option<u64>,
    unfinished: u64,
}

/// Where, in which line, what.
type Wrong = (Segment, u64, Fault);

impl Check<'_> {
    fn log(&mut self, dir: &Path) -> io::Result<Option<Wrong>> {
        let all = segments(dir)?;
        let kept = kept(&all, self.extent);
        for (place, segment) in kept.iter().enumerate() {
            if self.is_done() {
                return Ok(None);
            }
            let expected = self.chain.position().number + 1;
            if segment.first != expected {
                return Ok(Some((segment.clone(), 1, Fault::Missing(expected))));
            }
            if let Some(wrong) = self.segment(segment, place + 1 == kept.len())? {
                return Ok(Some(wrong));
            }
        }
        let (expected, found) = (self.extent.last.number, self.chain.position().number);
        let last = kept.last().cloned().unwrap_or_else(|| Segment::new(dir, self.extent.first.number + 1));
        let lines = (found + 1).saturating_sub(last.first) + 1;
        Ok((found < expected).then_some((last, lines, Fault::Truncated { expected, found })))
    }

    fn segment(&mut self, segment: &Segment, is_last: bool) -> io::Result<Option<Wrong>> {
        let mut lines = Lines::of(&segment.path)?;
        loop {
            if self.is_done() {
                return Ok(None);
            }
            let line = lines.count + 1;
            let checked = match lines.next()? {
                None => return Ok(None),
                Some(Line::Whole(text)) => self.line(text),
                // What was acknowledged is all there: a crash came in between.
                Some(Line::Unfinished(size)) if is_last && self.has_all() => {
                    self.unfinished = size;
                    return Ok(None);
                }
                Some(Line::Unfinished(_)) => Err(Fault::NoRecord),
            };
            if let Err(fault) = checked {
                return Ok(Some((segment.clone(), line, fault)));
            }
        }
    }

    fn line(&mut self, text: &[u8]) -> Result<(), Fault> {
        let before = self.chain;
        self.chain.check(text)?;
        let (position, last) = (self.chain.position(), self.extent.last);
        if position.number == last.number && position.hash != last.hash {
            self.chain = before;
            return Err(Fault::Altered(last.number));
        }
        Ok(())
    }

    fn has_all(&self) -> bool {
        self.chain.position().number >= self.extent.last.number
    }

    fn is_done(&self) -> bool {
        self.until.is_some_and(|until| self.chain.position().number >= until)
    }
}

/// The files that are part of the log: one that gave way may still be there if a crash came in between.
pub(super) fn kept<'a>(all: &'a [Segment], extent: &Extent) -> &'a [Segment] {
    let gone = all.iter().skip(1).take_while(|next| next.first <= extent.first.number + 1).count();
    all.get(gone..).unwrap_or_default()
}
