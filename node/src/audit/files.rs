//! The files of a log, and the lines in them.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use lanyard_protocol::audit::LINE_MAX;

/// One file of a log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Segment {
    /// The number of its first record.
    pub(super) first: u64,
    pub(super) path: PathBuf,
}

impl Segment {
    pub(super) fn new(dir: &Path, first: u64) -> Self {
        Self { first, path: dir.join(format!("{first:020}.jsonl")) }
    }

    fn named(path: PathBuf) -> Option<Self> {
        let first = path.file_name()?.to_str()?.strip_suffix(".jsonl")?.parse().ok()?;
        let segment = Self { first, path };
        let parent = segment.path.parent()?;
        (Self::new(parent, first).path == segment.path).then_some(segment)
    }
}

/// The files in `dir`, in order; what is called otherwise is none of them. Without the directory there are none.
pub(super) fn segments(dir: &Path) -> io::Result<Vec<Segment>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    let mut segments: Vec<Segment> = paths.into_iter().filter_map(Segment::named).collect();
    segments.sort();
    Ok(segments)
}

/// What comes next in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// A line, without its end.
    Whole(&'a [u8]),
    /// So many bytes up to the end of the file: a line whose end is missing.
    Unfinished(u64),
}

/// The lines of a file, of which no more is held than a record may have.
pub(super) struct Lines {
    reader: BufReader<File>,
    line: Vec<u8>,
    /// Bytes of whole lines that were read.
    pub(super) offset: u64,
    /// Lines that were read.
    pub(super) count: u64,
}

impl Lines {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { reader: BufReader::new(File::open(path)?), line: Vec::new(), offset: 0, count: 0 })
    }

    /// The next line; one that is too long comes cut, so that it is no record.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let most = LINE_MAX as u64 + 1;
        let read = self.reader.by_ref().take(most).read_until(b'\n', &mut self.line)? as u64;
        if read == 0 {
            return Ok(None);
        }
        if self.line.last() == Some(&b'\n') {
            (self.offset, self.count) = (self.offset + read, self.count + 1);
            self.line.pop();
        } else if read < most {
            return Ok(Some(Line::Unfinished(read)));
        } else {
            let end = self.reader.seek(SeekFrom::End(0))?;
            (self.offset, self.count) = (end, self.count + 1);
        }
        Ok(Some(Line::Whole(&self.line)))
    }
}

/// The first line of a file, if it has one.
pub(super) fn first_line(path: &Path) -> io::Result<Option<Vec<u8>>> {
    Ok(match Lines::of(path)?.next()? {
        Some(Line::Whole(line)) => Some(line.to_vec()),
        Some(Line::Unfinished(_)) | None => None,
    })
}
