use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use lanyard_protocol::control::{Admission, Caller, Code, Command, Init};
use lanyard_protocol::engine::{CommandId, Output, restored_mark};
use lanyard_protocol::record::Write;
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_795_253_400);

/// R-C3: what an export holds comes back as it was: the node, its network and its conversations.
#[test]
fn a_restored_state_is_the_node_that_was_exported() {
    let shop = Shop::new();
    let said = export(&shop.store, &shop.path("e"), None, NOW).unwrap();
    assert_eq!((said.name.unwrap().as_str(), said.network.unwrap().as_str()), ("office", "shop.lan"));
    assert_eq!((said.role, said.sealed), (RoleName::Authority, false));
    assert_eq!(verify(&shop.path("e"), None, NOW).unwrap().id, said.id);
    assert_eq!(fs::metadata(shop.path("e")).unwrap().permissions().mode() & 0o777, 0o600);

    let restored = restore(&shop.path("e"), None, &shop.path("new/state"), NOW).unwrap();
    assert_eq!((restored.id, restored.records), (said.id, said.records));
    let (before, after) = (shop.records(), records(&Store::open(&shop.path("new/state")).unwrap()));
    let expected: Vec<_> = before.into_iter().filter(|(table, ..)| table.is_exported()).collect();
    let (marks, kept): (Vec<_>, Vec<_>) = after.into_iter().partition(|(_, key, _)| key == b"restored");
    assert_eq!(kept, expected);
    let mark = restored_mark(NOW);
    assert_eq!(marks, [(mark.table, mark.key, mark.value.unwrap())]);
    assert!(!shop.path("new/state/restore.unfinished").exists());
}

/// A5, C16: invites and held tickets are in no export, and a file in which they are restores nothing.
#[test]
fn what_must_not_come_back_is_in_no_export() {
    let shop = Shop::new();
    for table in [Table::Invites, Table::Tickets] {
        shop.store.commit_blocking(vec![Write::set(table, "canary", b"canary".to_vec())]).unwrap();
    }
    export(&shop.store, &shop.path("e"), None, NOW).unwrap();
    let mut reader = Reader::new(BufReader::new(open(&shop.path("e")).unwrap()), Path::new("e"));
    let header = reader.header().unwrap();
    let key = Key::new(&header, None, Path::new("e")).unwrap();
    let mut found = Vec::new();
    reader
        .frames(&header, &key, |record| {
            found.push(record);
            Ok(())
        })
        .unwrap();
    assert!(found.iter().all(|record| record.table.is_exported() && record.value != b"canary"));

    let about = about(found, NOW).unwrap();
    let forged = shop.path("forged");
    let mut writer = Writer::new(File::create(&forged).unwrap(), &header, &key).unwrap();
    writer.frame(&Frame::About(about)).unwrap();
    let invite = Record { table: Table::Invites, key: b"canary".to_vec(), value: b"canary".to_vec() };
    writer.frame(&Frame::Records(vec![invite.into()])).unwrap();
    writer.frame(&Frame::End { records: 1 }).unwrap();
    let refused = restore(&forged, None, &shop.path("other"), NOW).unwrap_err();
    assert_eq!(refused.failure().code, Code::Data, "{refused}");
    assert!(!shop.path("other/db").exists());
}

/// R-C3, R-C5: a restored node takes none of its new messages for ones that its peer has.
#[test]
fn conversations_are_numbered_anew() {
    let shop = Shop::new();
    let (head, line) = ([7; 32], [[7; 32].as_slice(), &[0; 8]].concat());
    shop.store.commit_blocking(vec![Write::set(Table::Chat, head, vec![1])]).unwrap();
    shop.store.commit_blocking(vec![Write::set(Table::Chat, line.clone(), vec![2])]).unwrap();
    export(&shop.store, &shop.path("e"), None, NOW).unwrap();
    restore(&shop.path("e"), None, &shop.path("other"), NOW).unwrap();
    let store = Store::open(&shop.path("other")).unwrap();
    assert_eq!(store.get(Table::Chat, &head).unwrap(), None);
    assert_eq!(store.get(Table::Chat, &line).unwrap(), Some(vec![2]));
}

/// F4: whatever bit of an export flips and wherever it is cut, it is refused as data at fault, and nothing is restored
/// from it.
#[test]
fn refuses_every_flipped_byte_and_every_cut() {
    let shop = Shop::new();
    export(&shop.store, &shop.path("e"), None, NOW).unwrap();
    let sound = fs::read(shop.path("e")).unwrap();
    let bad = shop.path("bad");
    let check = |bytes: &[u8], what: &str| {
        fs::write(&bad, bytes).unwrap();
        let refused = verify(&bad, None, NOW).unwrap_err();
        let code = refused.failure().code;
        // A flipped bit of the word `clear` makes no other word, nor of the format a lower one.
        assert_eq!(code, Code::Data, "{what}: {refused}");
        assert!(refused.to_string().contains("bad"), "{what}: {refused}");
    };
    // All of the first line, and some of the rest.
    let places = (0..100).chain((100..sound.len()).step_by(sound.len() / 60));
    for place in places {
        let mut flipped = sound.clone();
        flipped[place] ^= 0x10;
        check(&flipped, &format!("byte {place}"));
        check(&sound[..place], &format!("cut at {place}"));
    }
    check(&[&sound[..], b"x"].concat(), "a byte more");
    let refused = restore(&bad, None, &shop.path("other"), NOW).unwrap_err();
    assert_eq!(refused.failure().code, Code::Data);
    assert!(!shop.path("other/db").exists());
}

/// With a passphrase the file opens with it alone; without one it says that it needs one.
#[test]
fn a_sealed_export_opens_with_its_passphrase() {
    let shop = Shop::new();
    let (right, wrong) = (passphrase("correct horse"), passphrase("correct horse "));
    let path = shop.path("e");
    assert!(export(&shop.store, &path, Some(&right), NOW).unwrap().sealed);
    assert!(verify(&path, Some(&right), NOW).unwrap().sealed);
    assert!(matches!(verify(&path, None, NOW), Err(ExportError::Sealed { .. })));
    let refused = verify(&path, Some(&wrong), NOW).unwrap_err();
    assert_eq!((refused.failure().code, matches!(refused, ExportError::WrongKey { .. })), (Code::Data, true));
    // What says `clear` in the file's first line does not make it so.
    let text = fs::read(&path).unwrap();
    let lie = [b"lanyard-state-export-1 clear ", &text[b"lanyard-state-export-1 sealed ".len()..]].concat();
    fs::write(shop.path("lie"), lie).unwrap();
    assert_eq!(verify(&shop.path("lie"), None, NOW).unwrap_err().failure().code, Code::Data);
}

/// F4: an export of another format is refused by name.
#[test]
fn names_a_newer_export_and_what_is_none() {
    let shop = Shop::new();
    let path = shop.path("e");
    for (text, code) in [
        ("lanyard-state-export-2 clear 00\n", "format 2"),
        ("lanyard-state-export-0 clear 00\n", "no export"),
        ("lanyard-state-export-1 clear 00\n", "no export"),
        ("-----BEGIN CERTIFICATE-----\n", "no export"),
    ] {
        fs::write(&path, text).unwrap();
        let refused = verify(&path, None, NOW).unwrap_err();
        assert!(refused.to_string().contains(code) && refused.failure().code == Code::Data, "{refused}");
    }
    assert_eq!(verify(&shop.path("none"), None, NOW).unwrap_err().failure().code, Code::NotFound);
    assert!(matches!(verify(&shop.path("."), None, NOW), Err(ExportError::Foreign { .. })));
}

/// F6: nothing is written over: no file by an export, no state by a restore, and a link leads nowhere.
#[test]
fn replaces_nothing() {
    let shop = Shop::new();
    let path = shop.path("e");
    export(&shop.store, &path, None, NOW).unwrap();
    let sound = fs::read(&path).unwrap();
    assert!(matches!(export(&shop.store, &path, None, NOW), Err(ExportError::Exists { .. })));
    std::os::unix::fs::symlink(shop.path("elsewhere"), shop.path("link")).unwrap();
    assert!(matches!(export(&shop.store, &shop.path("link"), None, NOW), Err(ExportError::Exists { .. })));
    assert_eq!(fs::read(&path).unwrap(), sound);
    assert!(!shop.path("elsewhere").exists());

    let other = shop.path("other");
    drop(Store::open(&other).unwrap());
    let before = names(&other.join("db"));
    let refused = restore(&path, None, &other, NOW).unwrap_err();
    assert_eq!((refused.failure().code, names(&other.join("db"))), (Code::Failed, before));
    assert!(matches!(refused, ExportError::Inhabited { .. }), "{refused}");
    assert_eq!(names(&shop.dir()).into_iter().filter(|name| name.starts_with('.')).count(), 0);
}

/// F1: a restore that was killed leaves what the next one clears away; one that is at work is left alone.
#[test]
fn takes_up_after_a_killed_restore() {
    let shop = Shop::new();
    let (path, other) = (shop.path("e"), shop.path("other"));
    export(&shop.store, &path, None, NOW).unwrap();
    let site = other.join("restore.unfinished");
    let busy = Store::open(&site).unwrap();
    assert!(matches!(restore(&path, None, &other, NOW), Err(ExportError::Store(_))));
    drop(busy);
    restore(&path, None, &other, NOW).unwrap();
    assert!(!site.exists());
}

/// F4: an export that would lack a record that matters is not made, so that it replaces no sound one.
#[test]
fn a_damaged_record_is_named_and_not_left_out() {
    let shop = Shop::new();
    let row = |table: Table| [&[table as u8], b"canary".as_slice()].concat();
    let spoil = |table: Table| {
        let row = super::super::database::Row { key: row(table), record: Some(vec![1; 60]) };
        shop.store.shared.database.apply(&[row]).unwrap();
    };
    spoil(Table::Peers);
    export(&shop.store, &shop.path("a"), None, NOW).unwrap();
    spoil(Table::Chat);
    let refused = export(&shop.store, &shop.path("b"), None, NOW).unwrap_err();
    assert_eq!(refused.failure().code, Code::Data);
    assert!(refused.to_string().contains("canary in table chat"), "{refused}");
    assert!(!shop.path("b").exists());
}

/// The authority of a network, some of whose records are its own.
struct Shop {
    state: TempDir,
    store: Store,
}

impl Shop {
    fn new() -> Self {
        let state = TempDir::new().unwrap();
        let store = Store::open(&state.path().join("state")).unwrap();
        let mut engine = Engine::new(Setup::default(), NOW, Box::new(OsRng)).unwrap();
        let (network, name) = ("shop.lan".parse().unwrap(), "office".parse().unwrap());
        let init = Command::Init(Init {
            network,
            name,
            admission: Admission::default(),
            password: None,
            weak: false,
            require_login: false,
        });
        engine.handle_command(CommandId(1), Caller::NODE, init, NOW);
        while let Some(output) = engine.poll_output() {
            if let Output::Persist { id, writes } = output {
                store.commit_blocking(writes).unwrap();
                engine.handle_persisted(id, true, NOW);
            }
        }
        // More than one frame of them.
        for number in 0..200_u64 {
            let key = [[9; 32].as_slice(), &number.to_be_bytes()].concat();
            store.commit_blocking(vec![Write::set(Table::Chat, key, vec![1; 1000])]).unwrap();
        }
        Self { state, store }
    }

    fn dir(&self) -> PathBuf {
        self.state.path().to_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.state.path().join(name)
    }

    fn records(&self) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
        records(&self.store)
    }
}

fn records(store: &Store) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    let loaded = store.load(&Table::ALL).unwrap();
    assert!(loaded.damaged.is_empty());
    loaded.records.into_iter().map(|record| (record.table, record.key, record.value)).collect()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(Zeroizing::new(text.to_owned())).unwrap()
}
