//! A log that is written: opened where a crash has left it, appended to, and kept to a size.

use core::fmt::Write as _;
use core::time::Duration;
use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lanyard_protocol::audit::{Chain, ChainKey, Entry, Extent, Fault, Position, What};
use lanyard_protocol::codec;
use lanyard_protocol::control::{Code, Failure};
use lanyard_protocol::record::{Table, Write};
use lanyard_protocol::time::Timestamp;

use super::files::{Line, Lines, Segment, first_line, segments};
use super::verify::kept;
use crate::store::{Store, StoreError};

/// The one record of its table.
const EXTENT_KEY: &[u8] = b"extent";

/// How long is waited between two attempts to write what could not be written, so that a failing disk is not hammered.
const RETRY: Duration = Duration::from_secs(1);

/// How large a log gets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes of one file.
    pub(super) file: u64,
    /// How many files are kept.
    pub(super) files: usize,
}

/// 16 MiB are about 30,000 records, which an editor opens; eight of them are a year of a busy authority.
impl Default for Limits {
    fn default() -> Self {
        Self { file: 16 << 20, files: 8 }
    }
}

/// Why a log cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The system refused.
    #[error("cannot {doing} the audit log {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The store does not say how far it goes.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AuditError {
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }

    /// What happened and what to do, as the user is told.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self {
            Self::Store(error) if error.is_damage() => {
                Failure::new(Code::Data, error.to_string(), error.remedy())
            }
            Self::Store(error) => Failure::new(Code::Failed, error.to_string(), error.remedy()),
            Self::Io { .. } => Failure::new(
                Code::Failed,
                self.to_string(),
                "see whether the disk is full or failing, and whose the folder is",
            ),
        }
    }
}

/// How far the log goes, as the store says.
pub(super) fn extent(store: &Store) -> Result<Extent, StoreError> {
    let kept = store.get(Table::Audit, EXTENT_KEY)?;
    // What is in there was authenticated: that it does not decode cannot be but for a later version.
    Ok(kept.and_then(|bytes| codec::decode::<_, 256>(&bytes).ok()).unwrap_or(Extent::EMPTY))
}

/// The file that is being written.
struct Current {
    file: File,
    /// Bytes that are durable.
    size: u64,
    /// Whether there may be more in it, of a write that failed.
    torn: bool,
}

impl Current {
    const fn new(file: File, size: u64) -> Self {
        Self { file, size, torn: false }
    }

    /// Writes `text` behind what is durable, and makes it so.
    fn append(&mut self, text: &str) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.size)?;
        }
        self.torn = true;
        self.file.write_all(text.as_bytes())?;
        self.file.sync_data()?;
        self.torn = false;
        self.size += text.len() as u64;
        Ok(())
    }
}

/// Records that are missing because they could not be written.
struct Lost {
    count: u64,
    since: Timestamp,
    why: String,
    /// When it was tried last, if the disk is why.
    tried: Option<Timestamp>,
}

/// A log that is written.
pub(super) struct Log {
    dir: PathBuf,
    key: Arc<ChainKey>,
    store: Store,
    limits: Limits,
    extent: Extent,
    current: Option<Current>,
    lost: Option<Lost>,
    /// What was wrong with it when it was opened, until that is recorded.
    found: Option<Entry>,
    /// What has given way, until that is recorded.
    dropped: Option<Entry>,
    damage: Option<String>,
    /// Whether the store has yet to be told how far it goes.
    untold: bool,
}

impl Log {
    /// Opens the log of `store`: cuts off what a crash has left unfinished behind the last record, and goes on there.
    pub(super) fn open(store: &Store, limits: Limits, now: Timestamp) -> Result<Self, AuditError> {
        let (dir, key) = store.audit();
        if !dir.exists() {
            DirBuilder::new().mode(0o700).create(dir).map_err(AuditError::io("create", dir))?;
            sync_folder(dir.parent()).map_err(AuditError::io("sync", dir))?;
        }
        let mut log = Self {
            dir: dir.to_owned(),
            key,
            store: store.clone(),
            limits,
            extent: extent(store)?,
            current: None,
            lost: None,
            found: None,
            dropped: None,
            damage: None,
            untold: false,
        };
        log.take_up(now).map_err(AuditError::io("open", dir))?;
        Ok(log)
    }

    /// How far it goes.
    pub(super) const fn extent(&self) -> Extent {
        self.extent
    }

    /// Whether something waits to be written, or told, that could not be.
    pub(super) const fn is_behind(&self) -> bool {
        self.lost.is_some() || self.untold
    }

    /// What the owner should know.
    pub(super) fn warning(&self) -> Option<String> {
        let lost = self.lost.as_ref().map(|lost| {
            let (count, why) = (lost.count, &lost.why);
            format!("the audit log cannot be written, and {count} records are missing: {why}")
        });
        lost.or_else(|| self.damage.clone())
    }

    /// Finds the end, and what is wrong with it.
    fn take_up(&mut self, now: Timestamp) -> io::Result<()> {
        let all = segments(&self.dir)?;
        let last = self.extent.last;
        let Some(segment) = all.last() else {
            if last.number > self.extent.first.number {
                self.damaged(self.extent.first.number, now);
            }
            return Ok(());
        };
        let (reached, size) = self.good(segment)?;
        let Some(reached) = reached.filter(|reached| reached.number >= last.number) else {
            let before = segment.first.saturating_sub(1);
            let found = reached.map_or(before, |reached| reached.number);
            self.damaged(found, now);
            return Ok(());
        };
        let file = OpenOptions::new().append(true).open(&segment.path)?;
        let length = file.metadata()?.len();
        if length > size {
            file.set_len(size)?;
            file.sync_all()?;
            let (bytes, number) = (length - size, reached.number);
            let cut = format!("{bytes} bytes behind record {number} were no record and were cut off");
            self.found = Some(Entry::new(now, What::LogMended).because(cut));
        }
        self.untold = reached != last;
        self.extent.last = reached;
        self.current = Some(Current::new(file, size));
        Ok(())
    }

    /// Behind which record the good part of a file ends, and how many bytes that are.
    fn good(&self, segment: &Segment) -> io::Result<(Option<Position>, u64)> {
        let (last, first) = (self.extent.last, first_line(&segment.path)?);
        let told =
            first.as_deref().and_then(Position::before).filter(|told| told.number + 1 == segment.first);
        let begin = match told {
            // It begins where the store says that the log has come to, or elsewhere than there.
            Some(told) if told.number != last.number || told == last => told,
            _ if segment.first == last.number + 1 => return Ok((Some(last), 0)),
            _ => return Ok((None, 0)),
        };
        let (mut chain, mut size) = (Chain::at(&self.key, begin), 0);
        let mut lines = Lines::of(&segment.path)?;
        while let Some(Line::Whole(line)) = lines.next()? {
            let before = chain.position();
            if chain.check(line).is_err() {
                break;
            }
            if chain.position().number == last.number && chain.position() != last {
                return Ok((Some(before), size));
            }
            size = lines.offset;
        }
        Ok((Some(chain.position()), size))
    }

    /// The log is not what was written: it goes on in a new file, behind what is known to have been there.
    fn damaged(&mut self, found: u64, now: Timestamp) {
        let fault = Fault::Truncated { expected: self.extent.last.number, found };
        tracing::error!(%fault, "the audit log is damaged");
        let warning = format!("the audit log is damaged: {fault}; `lanyard audit --verify` says where");
        self.found = Some(Entry::new(now, What::LogMended).denied().because(&warning));
        self.damage = Some(warning);
    }

    /// So many records could not be taken.
    pub(super) fn lose(&mut self, count: u64, why: &str, now: Timestamp) {
        if count > 0 {
            let new = || Lost { count: 0, since: now, why: why.to_owned(), tried: None };
            self.lost.get_or_insert_with(new).count += count;
        }
    }

    /// Appends `entries`, makes them durable and tells the store; what cannot be written is counted as lost.
    pub(super) fn append(&mut self, entries: Vec<Entry>, now: Timestamp) {
        let mut entries = VecDeque::from(entries);
        let tried = self.lost.as_ref().and_then(|lost| lost.tried);
        let wait = tried.is_some_and(|tried| tried <= now && now.since(tried) < RETRY);
        let result = if wait { Ok(()) } else { self.write_all(&mut entries, now) };
        if let Err(error) = &result {
            tracing::error!(%error, "the audit log cannot be written");
            let new = || Lost { count: 0, since: now, why: String::new(), tried: None };
            let lost = self.lost.get_or_insert_with(new);
            (lost.why, lost.tried) = (error.to_string(), Some(now));
        }
        self.lose(entries.len() as u64, "the disk refused it", now);
        if self.untold {
            self.tell();
        }
    }

    /// Writes entries as far as it goes: those that are left are not written.
    fn write_all(&mut self, entries: &mut VecDeque<Entry>, now: Timestamp) -> io::Result<()> {
        while !entries.is_empty() || self.has_notes() {
            let (mut current, is_new) = match self.current.take() {
                Some(current) if current.size < self.limits.file => (current, false),
                Some(_) | None => (self.next_file()?, true),
            };
            if is_new {
                self.drop_oldest(now)?;
            }
            let (mut chain, mut text) = (Chain::at(&self.key, self.extent.last), String::new());
            for note in self.notes(now) {
                link(&mut chain, &note, &mut text);
            }
            let mut taken = 0;
            while let Some(entry) = entries.get(taken)
                && current.size + (text.len() as u64) < self.limits.file
            {
                link(&mut chain, entry, &mut text);
                taken += 1;
            }
            let position = chain.position();
            let written = current.append(&text);
            self.current = Some(current);
            written?;
            (self.extent.last, self.untold) = (position, true);
            (self.found, self.dropped, self.lost) = (None, None, None);
            entries.drain(..taken);
        }
        Ok(())
    }

    const fn has_notes(&self) -> bool {
        self.found.is_some() || self.dropped.is_some() || self.lost.is_some()
    }

    /// What the log has to say of itself.
    fn notes(&self, now: Timestamp) -> Vec<Entry> {
        let gap = self.lost.as_ref().map(|lost| {
            let Lost { count, since, why, .. } = lost;
            let reason = format!("{count} records since {since} could not be written: {why}");
            Entry { more: *count, ..Entry::new(now, What::LogGap).denied().because(reason) }
        });
        [self.found.clone(), self.dropped.clone(), gap].into_iter().flatten().collect()
    }

    /// The file for what comes next.
    fn next_file(&self) -> io::Result<Current> {
        let segment = Segment::new(&self.dir, self.extent.last.number + 1);
        let mut options = OpenOptions::new();
        let file = options.append(true).create_new(true).mode(0o600).open(&segment.path)?;
        sync_folder(Some(&self.dir))?;
        Ok(Current::new(file, 0))
    }

    /// The oldest file gives way if there are too many: first the store is told, then it is removed.
    fn drop_oldest(&mut self, now: Timestamp) -> io::Result<()> {
        let all = segments(&self.dir)?;
        let Some(first) =
            all.len().checked_sub(self.limits.files).filter(|gone| *gone > 0).map(|gone| &all[gone])
        else {
            return Ok(());
        };
        let told = first_line(&first.path)?.as_deref().and_then(Position::before);
        // Of one that is damaged nothing is known but its name.
        let unknown = Position { number: first.first.saturating_sub(1), ..Position::BEGINNING };
        let before = told.unwrap_or(unknown);
        let (from, to) = (self.extent.first.number + 1, before.number);
        self.dropped = Some(
            Entry::new(now, What::LogDropped)
                .because(format!("records {from} to {to} gave way to newer ones")),
        );
        self.extent.first = before;
        Ok(())
    }

    /// Tells the store how far the log goes, and removes what has given way.
    fn tell(&mut self) {
        let write = Write::set(Table::Audit, EXTENT_KEY, codec::encode(&self.extent));
        match self.store.commit_blocking(vec![write]) {
            Ok(()) => self.untold = false,
            // It is told with the next record: until then a cut within the last ones would go unseen.
            Err(error) => {
                tracing::warn!(%error, "the store was not told how far the audit log goes");
                return;
            }
        }
        let Ok(all) = segments(&self.dir) else { return };
        for segment in &all[..all.len() - kept(&all, &self.extent).len()] {
            if let Err(error) = fs::remove_file(&segment.path) {
                tracing::warn!(path = %segment.path.display(), %error, "cannot be removed");
            }
        }
    }
}

/// The next line for an entry, with its end.
fn link(chain: &mut Chain<'_>, entry: &Entry, text: &mut String) {
    // It has nothing that JSON cannot say.
    let json = serde_json::to_string(entry).unwrap_or_default();
    text.push_str(&chain.link(&ascii(&json)));
    text.push('\n');
}

/// The same JSON in ASCII alone, so that the log can be shown on any terminal.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for one in json.chars() {
        if one.is_ascii() {
            text.push(one);
        } else {
            for unit in one.encode_utf16(&mut [0; 2]) {
                // A string takes whatever is written to it.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

/// Makes the names in a folder survive a power cut.
fn sync_folder(folder: Option<&Path>) -> io::Result<()> {
    folder.map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
