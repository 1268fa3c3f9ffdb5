use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use lanyard_protocol::audit::{Origin, Position, What};
use lanyard_protocol::record::{Table, Write};
use lanyard_protocol::time::Timestamp;
use tempfile::TempDir;

use super::files::segments;
use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// Files that a test fills quickly: about four records each.
const SMALL: Limits = Limits { file: 1500, files: 3 };

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn store(&self) -> Store {
        Store::open(&self.folder.path().join("state")).unwrap()
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("state/db/audit")
    }

    fn file(&self) -> PathBuf {
        segments(&self.dir()).unwrap().last().unwrap().path.clone()
    }

    /// Writes so many records, each in a group of its own, and lets go of the log as a crash does.
    fn write(&self, count: u64, limits: Limits) {
        let store = self.store();
        let mut log = Log::open(&store, limits, NOW).unwrap();
        for number in 0..count {
            log.append(vec![entry(number)], NOW);
        }
        assert_eq!(log.warning(), None);
    }

    fn verify(&self) -> Report {
        verify(&self.store()).unwrap()
    }
}

fn entry(number: u64) -> Entry {
    Entry::new(NOW, What::InviteMade)
        .by(Default::default(), Origin::Local)
        .about(format!("number {number} \u{fc}"))
}

/// What is wrong, and at which record.
fn fault(report: &Report) -> (u64, String) {
    let found = report.fault.as_ref().unwrap_or_else(|| panic!("nothing was found: {report:?}"));
    (found.number, found.what.clone())
}

/// F7: what was written is there, in a file that is the owner's alone, in ASCII, and verifies.
#[test]
fn what_was_recorded_is_read_and_verified() {
    let place = Place::new();
    assert_eq!(place.verify(), Report { first: 1, ..Report::default() });
    place.write(5, Limits::default());
    let report = place.verify();
    assert_eq!((report.records, report.first, report.last, &report.fault), (5, 1, 5, &None));
    let text = fs::read(place.file()).unwrap();
    assert!(text.is_ascii(), "a log can be shown on any terminal");
    assert_eq!(fs::metadata(place.file()).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(fs::metadata(place.dir()).unwrap().permissions().mode() & 0o7777, 0o700);
    let page = read(&place.store(), 3, 2).unwrap();
    let numbers: Vec<u64> = page.records.iter().map(|record| record.number).collect();
    assert_eq!((numbers, page.next, page.more, page.unreadable), (vec![3, 4], 5, true, 0));
    assert_eq!(page.records[0].entry, entry(2));
    assert!(read(&place.store(), 6, 2).unwrap().records.is_empty());
}

/// F7: every line of the log, altered, removed, moved, cut or forged: the first record at fault is named, with file and
/// line, and the node that starts says so and goes on.
#[test]
fn whatever_is_done_to_the_file_is_found() {
    let place = Place::new();
    place.write(6, Limits::default());
    let store = place.store();
    let check = || verify(&store).unwrap();
    let (file, good) = (place.file(), fs::read_to_string(place.file()).unwrap());
    let lines: Vec<&str> = good.lines().collect();
    let write =
        |lines: &[&str]| fs::write(&file, lines.iter().map(|line| format!("{line}\n")).collect::<String>());
    for number in 0..lines.len() {
        let altered = lines[number].replace("invite_made", "policy_appl");
        let mut all = lines.clone();
        all[number] = &altered;
        write(&all).unwrap();
        let report = check();
        assert_eq!(fault(&report), (number as u64 + 1, format!("record {} was altered", number + 1)));
        let found = report.fault.unwrap();
        assert_eq!((found.file, found.line), (file.clone(), number as u64 + 1));

        let mut all = lines.clone();
        let _ = all.remove(number);
        write(&all).unwrap();
        assert_eq!(fault(&check()).0, if number == 5 { 6 } else { number as u64 + 1 });

        let mut all = lines.clone();
        all.swap(number, (number + 1) % 6);
        write(&all).unwrap();
        assert_eq!(fault(&check()).0, if number == 5 { 1 } else { number as u64 + 1 });
    }
    // A cut anywhere, also within the last line.
    for size in 0..good.len() {
        fs::write(&file, &good[..size]).unwrap();
        let whole = good[..size].matches('\n').count() as u64;
        let (number, what) = fault(&check());
        assert_eq!(number, whole + 1, "{size}: {what}");
    }
    fs::write(&file, &good).unwrap();
    let forged = lines[5].replace("\"number\":6", "\"number\":7");
    fs::write(&file, format!("{good}{forged}\n")).unwrap();
    assert_eq!(fault(&check()).0, 7);
    fs::remove_file(&file).unwrap();
    assert_eq!(fault(&check()), (1, "the log ends with record 0, and record 6 was written".to_owned()));
}

/// F1, F7: a crash in the middle of an append leaves some bytes of a line behind the last record: nothing is wrong with
/// that, and the next start cuts them off and says so.
#[test]
fn an_unfinished_record_is_cut_off_and_recorded() {
    let place = Place::new();
    place.write(3, Limits::default());
    let good = fs::read(place.file()).unwrap();
    let next = {
        // What the next record would have been.
        place.write(1, Limits::default());
        fs::read(place.file()).unwrap()[good.len()..].to_vec()
    };
    for torn in [1, next.len() / 2, next.len() - 1] {
        let place = Place::new();
        place.write(3, Limits::default());
        let mut bytes = fs::read(place.file()).unwrap();
        bytes.extend_from_slice(&next[..torn]);
        fs::write(place.file(), bytes).unwrap();
        let report = place.verify();
        assert_eq!((report.last, report.unfinished, &report.fault), (3, torn as u64, &None), "{torn}");
        place.write(1, Limits::default());
        let report = place.verify();
        assert_eq!((report.last, report.unfinished, &report.fault), (5, 0, &None), "{torn}");
        let page = read(&place.store(), 4, 1).unwrap();
        let reason = format!("{torn} bytes behind record 3 were no record and were cut off");
        assert_eq!(
            (page.records[0].entry.what, page.records[0].entry.reason.clone()),
            (What::LogMended, reason)
        );
    }
}

/// F1, F2, F7: a crash between the sync of the log and the store's word on it: the log is ahead, and is believed.
#[test]
fn a_log_that_is_ahead_of_the_store_is_believed_if_it_verifies() {
    let place = Place::new();
    place.write(3, Limits::default());
    let (key, before) = (b"extent", place.store().get(Table::Audit, b"extent").unwrap().unwrap());
    place.write(2, Limits::default());
    place.store().commit_blocking(vec![Write::set(Table::Audit, *key, before)]).unwrap();
    let report = place.verify();
    assert_eq!((report.last, &report.fault), (5, &None));
    place.write(1, Limits::default());
    assert_eq!(place.verify().last, 6);
    let extent = log::extent(&place.store()).unwrap();
    assert_eq!(extent.last.number, 6, "the store was told");
    assert_eq!(extent.first, Position::BEGINNING);
}

/// D8, F7: the log has a size. What gives way is recorded, the chain runs through all files, and it verifies; a file
/// that is missing at either end or in between is found.
#[test]
fn the_oldest_records_give_way_and_that_is_recorded() {
    let place = Place::new();
    place.write(100, SMALL);
    let all = segments(&place.dir()).unwrap();
    assert_eq!(all.len(), SMALL.files);
    let report = place.verify();
    assert_eq!((report.first, &report.fault), (all[0].first, &None));
    assert!(report.last > 100, "what gave way is recorded, too: {report:?}");
    let page = read(&place.store(), 1, 1000).unwrap();
    assert_eq!(page.records.len() as u64, report.records);
    let dropped = page.records.iter().filter(|record| record.entry.what == What::LogDropped);
    let reasons: Vec<_> = dropped.map(|record| record.entry.reason.clone()).collect();
    let last = format!("to {} gave way to newer ones", all[0].first - 1);
    assert!(reasons.iter().any(|reason| reason.ends_with(&last)), "{last}: {reasons:?}");
    for (place_of, segment) in all.iter().enumerate() {
        let kept = fs::read(&segment.path).unwrap();
        fs::remove_file(&segment.path).unwrap();
        let (number, what) = fault(&place.verify());
        assert_eq!(number, segment.first, "file {place_of}: {what}");
        fs::write(&segment.path, kept).unwrap();
    }
    assert_eq!(place.verify().fault, None);
}

/// F1: a crash between the store's word that a file has given way and its removal: the file is no part of the log.
#[test]
fn a_file_that_has_given_way_and_is_still_there_is_left_out() {
    let place = Place::new();
    let store = place.store();
    let mut log = Log::open(&store, SMALL, NOW).unwrap();
    let mut old = Vec::new();
    while segments(&place.dir()).unwrap().first().is_none_or(|first| first.first == 1) {
        old = segments(&place.dir()).unwrap().first().map_or(old, |first| fs::read(&first.path).unwrap());
        log.append(vec![entry(0)], NOW);
    }
    drop((log, store));
    let left = place.dir().join("00000000000000000001.jsonl");
    fs::write(&left, old).unwrap();
    assert_eq!(place.verify().fault, None);
    place.write(1, SMALL);
    assert!(!left.exists(), "the next one that writes removes it");
}

/// F7: a log that lost its end goes on behind what is known to have been there; both are said, and the verification goes
/// on naming the place.
#[test]
fn a_damaged_log_goes_on_and_stays_damaged() {
    let place = Place::new();
    place.write(5, Limits::default());
    let good = fs::read_to_string(place.file()).unwrap();
    let three: String = good.split_inclusive('\n').take(3).collect();
    fs::write(place.file(), three).unwrap();
    {
        let store = place.store();
        let mut log = Log::open(&store, Limits::default(), NOW).unwrap();
        assert!(log.warning().unwrap().contains("ends with record 3, and record 5 was written"));
        log.append(vec![entry(5)], NOW);
    }
    assert_eq!(segments(&place.dir()).unwrap().len(), 2);
    let (number, what) = fault(&place.verify());
    assert_eq!((number, what.as_str()), (4, "the part that begins with record 4 is missing"));
    let page = read(&place.store(), 4, 10).unwrap();
    let whats: Vec<What> = page.records.iter().map(|record| record.entry.what).collect();
    assert_eq!(whats, [What::LogMended, What::InviteMade]);
    assert_eq!(page.records[0].number, 6);
}

/// F3: what cannot be written is counted and said; when it can be written again the gap is recorded, and nothing that
/// was half written is left.
#[test]
fn a_gap_is_recorded_when_there_is_room_again() {
    let place = Place::new();
    let store = place.store();
    // Every record needs a file of its own.
    let mut log = Log::open(&store, Limits { file: 1, files: 10 }, NOW).unwrap();
    log.append(vec![entry(0)], NOW);
    let in_the_way = place.dir().join("00000000000000000002.jsonl");
    fs::create_dir(&in_the_way).unwrap();
    log.append(vec![entry(1), entry(2)], NOW);
    let warning = log.warning().unwrap();
    assert!(warning.contains("2 records are missing"), "{warning}");
    // It is not tried again at once.
    log.append(vec![entry(3)], NOW);
    assert!(log.warning().unwrap().contains("3 records are missing"));
    fs::remove_dir(&in_the_way).unwrap();
    let later = NOW.after(Duration::from_secs(2));
    log.append(vec![entry(4)], later);
    assert_eq!(log.warning(), None);
    drop((log, store));
    let page = read(&place.store(), 1, 10).unwrap();
    let whats: Vec<(What, u64)> =
        page.records.iter().map(|record| (record.entry.what, record.entry.more)).collect();
    assert_eq!(whats, [(What::InviteMade, 0), (What::LogGap, 3), (What::InviteMade, 0)]);
    assert!(page.records[1].entry.reason.starts_with("3 records since "), "{}", page.records[1].entry.reason);
    assert_eq!(place.verify().fault, None);
}

/// F3: where nothing can be written, nobody is kept waiting.
#[tokio::test]
async fn a_log_in_use_reports_what_is_durable_and_closes() {
    let place = Place::new();
    let store = place.store();
    let audit = Audit::start(&store, Clock::default()).unwrap();
    for number in 0..10 {
        audit.record(Box::new(entry(number)));
    }
    audit.synced().await;
    assert_eq!(audit.read(1, 100).unwrap().records.len(), 10);
    assert!(audit.reaches(10).await);
    assert_eq!(audit.verify().unwrap().last, 10);
    let waits = audit.clone();
    let waits = tokio::spawn(async move { waits.reaches(11).await });
    audit.close().await;
    assert!(!waits.await.unwrap(), "it ends with the log");
    audit.record(Box::new(entry(10)));
    audit.synced().await;
    drop((audit, store));
    assert_eq!(place.verify().last, 10);
}
