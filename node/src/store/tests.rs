use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};

use futures::future::join_all;
use tempfile::TempDir;

use super::*;

/// R-C3: what was committed is there after the store was closed and opened again, sealed on the disk.
#[test]
fn keeps_records_and_shows_none_of_them_on_the_disk() {
    let state = TempDir::new().unwrap();
    let value = b"canary-canary-canary".to_vec();
    {
        let store = Store::open(state.path()).unwrap();
        store.commit_blocking(vec![Write::set(Table::Keys, "identity", value.clone())]).unwrap();
        store.commit_blocking(vec![Write::set(Table::Chat, "x", vec![])]).unwrap();
        store.commit_blocking(vec![Write::erase(Table::Chat, "x")]).unwrap();
    }
    let log = fs::read(state.path().join("db/data/db")).unwrap();
    assert!(!log.windows(value.len()).any(|window| window == value), "a value stands in the clear");
    let store = Store::open(state.path()).unwrap();
    assert_eq!(store.get(Table::Keys, b"identity").unwrap(), Some(value));
    assert_eq!(store.get(Table::Chat, b"x").unwrap(), None);
}

#[test]
fn loads_tables_in_order_and_scans_within_one() {
    let state = TempDir::new().unwrap();
    let store = Store::open(state.path()).unwrap();
    let keys = ["a1", "a2", "a3", "b1"];
    store.commit_blocking(keys.map(|key| Write::set(Table::Chat, key, key.into())).into()).unwrap();
    store.commit_blocking(vec![Write::set(Table::Peers, "z", b"z".to_vec())]).unwrap();
    store.commit_blocking(vec![Write::set(Table::Outbox, "a2", b"other table".to_vec())]).unwrap();
    let names = |loaded: Loaded| -> Vec<String> {
        loaded.records.iter().map(|record| String::from_utf8(record.key.clone()).unwrap()).collect()
    };
    assert_eq!(names(store.load(&[Table::Peers, Table::Chat]).unwrap()), ["z", "a1", "a2", "a3", "b1"]);
    assert_eq!(names(store.scan(Table::Chat, b"a", b"a2", 10).unwrap()), ["a2", "a3"]);
    assert_eq!(names(store.scan(Table::Chat, b"", b"", 2).unwrap()), ["a1", "a2"]);
    assert_eq!(names(store.scan(Table::Chat, b"b", b"a2", 10).unwrap()), ["b1"]);
}

/// F4: one flipped byte costs the record that it hits, which is named; the others are served.
#[test]
fn names_a_damaged_record_and_serves_the_others() {
    let state = TempDir::new().unwrap();
    fill(&state, Table::Peers, &["anna\n", "bert"]);
    let row = row_key(Table::Peers, b"anna\n");
    with_engine(&state, |db| {
        let mut record = db.get(&row).unwrap().unwrap().to_vec();
        *record.last_mut().unwrap() ^= 1;
        db.insert(&row, record).unwrap();
    });
    let store = Store::open(state.path()).unwrap();
    let loaded = store.load(&[Table::Peers]).unwrap();
    assert_eq!(loaded.records.len(), 1);
    assert_eq!(loaded.records[0].key, b"bert");
    assert_eq!(loaded.damaged[0].to_string(), "record anna\\n in table peers");
    let error = store.get(Table::Peers, b"anna\n").unwrap_err().to_string();
    assert!(error.contains("record anna\\n in table peers"), "{error}");
}

/// F4: a record that was moved under another key, or into another table, is not taken for the one there.
#[test]
fn detects_a_record_that_was_moved() {
    let state = TempDir::new().unwrap();
    fill(&state, Table::Peers, &["anna", "bert"]);
    with_engine(&state, |db| {
        let record = db.get(row_key(Table::Peers, b"anna")).unwrap().unwrap();
        db.insert(row_key(Table::Peers, b"bert"), record.clone()).unwrap();
        db.insert(row_key(Table::Tickets, b"anna"), record).unwrap();
    });
    let loaded = Store::open(state.path()).unwrap().load(&Table::ALL).unwrap();
    let damaged: Vec<_> = loaded.damaged.iter().map(ToString::to_string).collect();
    assert_eq!(damaged, ["record bert in table peers", "record anna in table tickets"]);
    assert_eq!(loaded.records.len(), 1);
}

/// F6: what others may enter or read is refused, with the command that mends it.
#[test]
fn refuses_rights_for_others() {
    for (part, mode, wanted) in [
        ("db", 0o750, "700"),
        ("db/key", 0o640, "600"),
        ("db/data", 0o701, "700"),
        ("db/data/db", 0o604, "600"),
        ("db/tip", 0o660, "600"),
    ] {
        let state = TempDir::new().unwrap();
        fill(&state, Table::Peers, &["anna"]);
        let path = state.path().join(part);
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let error = Store::open(state.path()).unwrap_err();
        let error = format!("{error}: {}", error.remedy());
        assert!(error.contains(&format!("chmod {wanted} {}", path.display())), "{error}");
        let repaired = u32::from_str_radix(wanted, 8).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(repaired)).unwrap();
        Store::open(state.path()).unwrap();
    }
}

/// F6: every file of a store is its owner's alone, whatever the umask.
#[test]
fn makes_everything_private() {
    let state = TempDir::new().unwrap();
    let dir = state.path().join("new/state");
    drop(Store::open(&dir).unwrap());
    drop(Store::open(&dir).unwrap());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o711);
    assert_eq!(mode(&dir.join("db")), 0o700);
    assert_eq!(mode(&dir.join("db/data")), 0o700);
    for parent in ["db", "db/data"] {
        for entry in fs::read_dir(dir.join(parent)).unwrap() {
            let path = entry.unwrap().path();
            assert!(path.is_dir() || mode(&path) == 0o600, "{} {:o}", path.display(), mode(&path));
        }
    }
}

/// F6: a link where the key belongs is refused, wherever it leads.
#[test]
fn refuses_a_planted_link() {
    let state = TempDir::new().unwrap();
    fill(&state, Table::Peers, &["anna"]);
    let key = state.path().join("db/key");
    fs::rename(&key, state.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(state.path().join("elsewhere"), &key).unwrap();
    assert!(matches!(Store::open(state.path()), Err(StoreError::Planted { path, .. }) if path == key));
}

/// F6: two cannot use one store, and the store is free once the first has closed it.
#[test]
fn refuses_a_second_open() {
    let state = TempDir::new().unwrap();
    let store = Store::open(state.path()).unwrap();
    assert!(matches!(Store::open(state.path()), Err(StoreError::InUse { .. })));
    drop(store);
    Store::open(state.path()).unwrap();
}

/// F5: a store of a later version is refused by name, and is as it was for that version.
#[test]
fn refuses_a_newer_format_and_leaves_it_alone() {
    let state = TempDir::new().unwrap();
    fill(&state, Table::Peers, &["anna"]);
    let sealer = Sealer::new(&StoreKey::read(&state.path().join("db/key")).unwrap());
    let set_format = |format: u32| {
        with_engine(&state, |db| {
            db.insert(FORMAT_KEY, sealer.seal(FORMAT_KEY, &format.to_le_bytes())).unwrap();
        });
    };
    set_format(FORMAT + 1);
    let refusal = Store::open(state.path()).unwrap_err();
    assert!(matches!(refusal, StoreError::NewerFormat { found: 2, known: 1, .. }), "{refusal}");
    set_format(FORMAT);
    assert_eq!(Store::open(state.path()).unwrap().load(&[Table::Peers]).unwrap().records.len(), 1);
}

/// F4: a key file that is damaged in any place is named; no other key is made in its stead.
#[test]
fn names_a_damaged_key_file() {
    let state = TempDir::new().unwrap();
    fill(&state, Table::Peers, &["anna"]);
    let path = state.path().join("db/key");
    let sound = fs::read(&path).unwrap();
    for position in 0..sound.len() {
        let mut damaged = sound.clone();
        damaged[position] ^= 4;
        fs::write(&path, &damaged).unwrap();
        let error = Store::open(state.path()).unwrap_err();
        assert!(
            matches!(error, StoreError::KeyDamaged { .. } | StoreError::NewerFormat { .. }),
            "byte {position}: {error}"
        );
        assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
    }
    fs::write(&path, &sound[..sound.len() / 2]).unwrap();
    assert!(matches!(Store::open(state.path()), Err(StoreError::KeyDamaged { .. })));
    fs::remove_file(&path).unwrap();
    assert!(matches!(Store::open(state.path()), Err(StoreError::Missing { .. })));
    fs::write(&path, &sound).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    Store::open(state.path()).unwrap();
}

#[test]
fn says_that_key_and_database_do_not_belong_together() {
    let (state, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    fill(&state, Table::Peers, &["anna"]);
    fill(&other, Table::Peers, &["anna"]);
    fs::copy(other.path().join("db/key"), state.path().join("db/key")).unwrap();
    assert!(matches!(Store::open(state.path()), Err(StoreError::WrongKey { .. })));
}

/// F1: the first start may be cut anywhere; the next one completes it.
#[test]
fn completes_an_interrupted_first_start() {
    let state = TempDir::new().unwrap();
    drop(Store::open(state.path()).unwrap());
    let layout = Layout::new(state.path());
    fs::remove_file(&layout.tip).unwrap();
    drop(Store::open(state.path()).unwrap());
    fs::remove_file(&layout.tip).unwrap();
    fs::rename(&layout.data, &layout.unfinished).unwrap();
    fs::write(layout.unfinished.join("conf"), b"").unwrap();
    fill(&state, Table::Peers, &["anna"]);
    assert!(!layout.unfinished.exists());
}

/// F4: a log that is cut wherever it may be is refused by name or has everything: what was acknowledged last is missed.
#[test]
fn a_cut_log_is_never_taken_for_a_whole_one() {
    let state = TempDir::new().unwrap();
    for key in ["anna", "bert", "carl"] {
        fill(&state, Table::Peers, &[key]);
    }
    let layout = Layout::new(state.path());
    let end = log_end(&layout.data.join("db"));
    let mut refused = 0;
    for cut in (0..=end).step_by((end / 60).max(1) as usize) {
        let copy = TempDir::new().unwrap();
        copy_dir(&layout.dir, &copy.path().join("db"));
        let copied = Layout::new(copy.path());
        OpenOptions::new().write(true).open(copied.data.join("db")).unwrap().set_len(cut).unwrap();
        match Store::open(copy.path()) {
            Ok(store) => assert_eq!(store.load(&[Table::Peers]).unwrap().records.len(), 3, "cut at {cut}"),
            Err(error) => {
                refused += 1;
                assert!(error.is_damage(), "cut at {cut}: {error}");
                assert!(error.to_string().contains(&*copied.data.to_string_lossy()), "{error}");
            }
        }
    }
    assert!(refused > 20, "only {refused} cuts were noticed");
}

/// C13: no record is sealed under a nonce of another one, nor when a copy of the same store goes on from the same
/// state.
#[test]
fn no_nonce_repeats_over_restarts_of_the_same_state() {
    let state = TempDir::new().unwrap();
    drop(Store::open(state.path()).unwrap());
    let path = Layout::new(state.path()).key;
    let mut nonces = std::collections::BTreeSet::new();
    for _ in 0..100 {
        let sealer = Sealer::new(&StoreKey::read(&path).unwrap());
        for _ in 0..1000 {
            let record = sealer.seal(b"row", b"");
            assert!(nonces.insert(record[1..25].to_vec()), "a nonce was used twice");
        }
    }
    assert_eq!(nonces.len(), 100_000);
}

/// A database that is gone is not replaced by an empty one.
#[test]
fn refuses_a_missing_database() {
    let state = TempDir::new().unwrap();
    fill(&state, Table::Peers, &["anna"]);
    fs::remove_dir_all(state.path().join("db/data")).unwrap();
    assert!(matches!(Store::open(state.path()), Err(StoreError::Missing { .. })));
}

/// F5: a database that is behind what was acknowledged is refused, until a person accepts the loss.
#[test]
fn refuses_a_database_that_was_rolled_back() {
    let state = TempDir::new().unwrap();
    let layout = Layout::new(state.path());
    fill(&state, Table::Peers, &["anna"]);
    let older = state.path().join("older");
    copy_dir(&layout.data, &older);
    fill(&state, Table::Peers, &["bert"]);
    fs::remove_dir_all(&layout.data).unwrap();
    fs::rename(&older, &layout.data).unwrap();
    let refusal = Store::open(state.path()).unwrap_err();
    assert!(matches!(refusal, StoreError::Lost { found: 1, expected: 2, .. }), "{refusal}");
    fs::remove_file(&layout.tip).unwrap();
    assert_eq!(Store::open(state.path()).unwrap().load(&[Table::Peers]).unwrap().records.len(), 1);
}

#[test]
fn a_damaged_tip_does_not_lock_the_store() {
    let state = TempDir::new().unwrap();
    fill(&state, Table::Peers, &["anna"]);
    fs::write(state.path().join("db/tip"), [0xff; 7]).unwrap();
    fill(&state, Table::Peers, &["bert"]);
    assert_eq!(Store::open(state.path()).unwrap().load(&[Table::Peers]).unwrap().records.len(), 2);
}

/// F1: a commit over several tables is there as a whole or not at all, wherever the log ends.
#[test]
fn a_commit_over_several_tables_is_atomic() {
    let state = TempDir::new().unwrap();
    fill(&state, Table::Peers, &["anna"]);
    let log = Layout::new(state.path()).data.join("db");
    let before = log_end(&log);
    let tables = [Table::Invites, Table::Enrolments, Table::Peers];
    {
        let store = Store::open(state.path()).unwrap();
        store.commit_blocking(tables.map(|table| Write::set(table, "both", vec![7; 100])).into()).unwrap();
    }
    let whole = state.path().join("whole");
    copy_dir(state.path().join("db").as_path(), &whole);
    let (mut none, mut all) = (0, 0);
    for cut in (before.saturating_sub(64)..log_end(&log) + 64).step_by(16) {
        let copy = TempDir::new().unwrap();
        copy_dir(&whole, &copy.path().join("db"));
        fs::set_permissions(copy.path().join("db"), Permissions::from_mode(0o700)).unwrap();
        let _ = fs::remove_file(copy.path().join("db/tip"));
        OpenOptions::new().write(true).open(copy.path().join("db/data/db")).unwrap().set_len(cut).unwrap();
        let Ok(store) = Store::open(copy.path()) else { continue };
        let found = tables.iter().filter(|table| store.get(**table, b"both").unwrap().is_some()).count();
        match found {
            0 => none += 1,
            3 => all += 1,
            part => panic!("{part} of 3 after a cut at {cut}"),
        }
    }
    assert!(none > 0 && all > 0, "the cuts fell on one side: {none} without, {all} with it");
}

#[test]
fn refuses_what_is_too_long_and_changes_nothing() {
    let state = TempDir::new().unwrap();
    let store = Store::open(state.path()).unwrap();
    let fits = Write::set(Table::Chat, vec![1; MAX_KEY], vec![2; MAX_VALUE]);
    for bad in [
        Write::set(Table::Chat, vec![1; MAX_KEY + 1], vec![]),
        Write::set(Table::Chat, "k", vec![0; MAX_VALUE + 1]),
    ] {
        let refusal = store.commit_blocking(vec![fits.clone(), bad]).unwrap_err();
        assert!(matches!(refusal, StoreError::Misuse { .. }), "{refusal}");
    }
    assert!(store.load(&[Table::Chat]).unwrap().records.is_empty());
    store.commit_blocking(vec![fits]).unwrap();
    assert_eq!(store.get(Table::Chat, &[1; MAX_KEY]).unwrap(), Some(vec![2; MAX_VALUE]));
}

/// R-C3: many commit at once, each is answered, all are there afterwards.
#[test]
fn serves_concurrent_commits() {
    let state = TempDir::new().unwrap();
    {
        let store = Store::open(state.path()).unwrap();
        let commits = (0..500_u32).map(|n| {
            let key = n.to_be_bytes();
            store.commit(vec![
                Write::set(Table::Chat, key, key.into()),
                Write::set(Table::Outbox, key, vec![]),
            ])
        });
        for outcome in futures::executor::block_on(join_all(commits)) {
            outcome.unwrap();
        }
    }
    let loaded = Store::open(state.path()).unwrap().load(&[Table::Chat, Table::Outbox]).unwrap();
    assert_eq!((loaded.records.len(), loaded.damaged.len()), (1000, 0));
}

/// Large values share pages that the engine keeps in files of their own: they are as durable, and as private.
#[test]
fn keeps_large_values_through_churn() {
    let state = TempDir::new().unwrap();
    for round in 0..3_u8 {
        let store = Store::open(state.path()).unwrap();
        for batch in 0..4_u8 {
            let writes = (0..16_u8).map(|n| Write::set(Table::Chat, [batch, n], vec![round; MAX_VALUE]));
            store.commit_blocking(writes.collect()).unwrap();
        }
    }
    let store = Store::open(state.path()).unwrap();
    let loaded = store.load(&[Table::Chat]).unwrap();
    assert_eq!((loaded.records.len(), loaded.damaged.len()), (64, 0));
    assert!(loaded.records.iter().all(|record| record.value == vec![2; MAX_VALUE]));
}

/// F3: after a write that failed the store opens again from what is on the disk, and what was acknowledged is
/// there; after one that failed within a batch it acknowledges nothing more.
#[test]
fn goes_on_after_a_failed_write_but_not_after_half_a_batch() {
    let state = TempDir::new().unwrap();
    let store = Store::open(state.path()).unwrap();
    store.commit_blocking(vec![Write::set(Table::Chat, "before", vec![1])]).unwrap();
    let failure = StoreError::corrupt(Path::new("x"), "the disk is on fire");
    store.shared.database.close(&failure, false);
    assert!(matches!(store.get(Table::Chat, b"before"), Err(StoreError::Closed { .. })));
    store.commit_blocking(vec![Write::set(Table::Chat, "after", vec![2])]).unwrap();
    assert_eq!(store.get(Table::Chat, b"before").unwrap(), Some(vec![1]));
    assert_eq!(store.get(Table::Chat, b"after").unwrap(), Some(vec![2]));
    store.shared.database.close(&failure, true);
    let refusal = store.commit_blocking(vec![Write::set(Table::Chat, "late", vec![3])]).unwrap_err();
    assert!(matches!(refusal, StoreError::Stopped { .. }), "{refusal}");
}

/// F4: wherever a bit of the raw database flips, the store opens with what is damaged named, or it says which
/// file is at fault. It never panics, and never passes a wrong value off as the right one.
#[test]
fn survives_bit_flips_in_the_raw_database() {
    let state = TempDir::new().unwrap();
    // Opened twice: the engine reads what came before its last start in another way than what came after.
    for range in [0..20_u8, 20..40] {
        let store = Store::open(state.path()).unwrap();
        for n in range {
            store.commit_blocking(vec![Write::set(Table::Chat, [n], vec![n; 50])]).unwrap();
        }
    }
    let layout = Layout::new(state.path());
    let end = log_end(&layout.data.join("db"));
    let (mut sound, mut refused) = (0, 0);
    for step in 0..64 {
        let copy = TempDir::new().unwrap();
        copy_dir(&layout.dir, &copy.path().join("db"));
        fs::set_permissions(copy.path().join("db"), Permissions::from_mode(0o700)).unwrap();
        let copied = Layout::new(copy.path());
        flip(&copied.data.join("db"), end * step / 64 + step % 7);
        match Store::open(copy.path()).and_then(|store| store.load(&[Table::Chat])) {
            Ok(loaded) => {
                sound += 1;
                assert_eq!(loaded.records.len() + loaded.damaged.len(), 40, "records vanished at {step}");
                assert!(loaded.records.iter().all(|record| record.value == vec![record.key[0]; 50]));
            }
            Err(error) => {
                refused += 1;
                let text = error.to_string();
                assert!(text.contains(&*copied.data.to_string_lossy()), "{text}");
            }
        }
    }
    assert!(refused > 0, "{sound} sound: no flip has hit anything");
}

/// F4: the same for the engine's small files.
#[test]
fn survives_damage_to_the_small_files() {
    let state = TempDir::new().unwrap();
    fill(&state, Table::Chat, &["a", "b"]);
    drop(Store::open(state.path()).unwrap());
    let layout = Layout::new(state.path());
    for entry in fs::read_dir(&layout.data).unwrap().map(|entry| entry.unwrap()) {
        let name = entry.file_name();
        if name == "db" || name == "blobs" {
            continue;
        }
        let length = fs::metadata(entry.path()).unwrap().len();
        for position in 0..length {
            let copy = TempDir::new().unwrap();
            copy_dir(&layout.dir, &copy.path().join("db"));
            fs::set_permissions(copy.path().join("db"), Permissions::from_mode(0o700)).unwrap();
            let copied = Layout::new(copy.path());
            flip(&copied.data.join(&name), position);
            match Store::open(copy.path()).and_then(|store| store.load(&[Table::Chat])) {
                Ok(loaded) => assert_eq!(loaded.records.len(), 2, "{name:?} at {position}"),
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.contains(&*copied.data.to_string_lossy()), "{text}");
                }
            }
        }
    }
}

fn fill(state: &TempDir, table: Table, keys: &[&str]) {
    let store = Store::open(state.path()).unwrap();
    let writes = keys.iter().map(|key| Write::set(table, *key, key.as_bytes().to_vec())).collect();
    store.commit_blocking(writes).unwrap();
}

/// Works on the rows behind the store's back.
fn with_engine(state: &TempDir, work: impl FnOnce(&sled::Db)) {
    let db = sled::open(Layout::new(state.path()).data).unwrap();
    work(&db);
    db.flush().unwrap();
}

fn flip(path: &Path, position: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, position).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], position).unwrap();
}

/// Where the log's last byte that is not zero stands.
fn log_end(path: &Path) -> u64 {
    let log = fs::read(path).unwrap();
    log.iter().rposition(|&byte| byte != 0).map_or(0, |last| last as u64 + 1)
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
