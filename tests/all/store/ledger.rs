//! What a node has acknowledged, and whether its store still holds it.

use std::collections::BTreeSet;
use std::env;
use std::path::Path;
use std::time::Duration;

use lanyard_node::store::{Loaded, Store};
use lanyard_protocol::record::{Record, Table};
use lanyard_tests::{Host, Output, Process, SOON};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// Something that a node does durably before it says so. One line for each.
pub(super) struct Order {
    /// The command; `TEXT` stands for a text that no other order has.
    arguments: &'static [&'static str],
    /// Takes down what was acknowledged.
    note: fn(&mut Ledger, &Output, text: &str),
}

/// What the authority `alice` is asked, who has a member `bob` and, for the last of them, a member `carol`.
pub(super) const ORDERS: [Order; 5] = [
    Order { arguments: &["chat", "bob", "-m", "TEXT"], note: Ledger::said },
    Order { arguments: &["invite"], note: Ledger::invited },
    Order { arguments: &["ticket", "get", "chat@bob", "--timeout", "2s"], note: Ledger::got_ticket },
    Order { arguments: &["--json", "cert", "renew"], note: Ledger::renewed },
    Order { arguments: &["revoke", "carol"], note: Ledger::revoked },
];

/// An order that is being carried out.
pub(super) struct Given {
    process: Process,
    text: String,
    order: &'static Order,
}

impl Order {
    /// Gives it.
    pub(super) fn give(&'static self, host: &Host, chance: &mut Chance) -> Given {
        let text = format!("text-{:016x}-", chance.0.next_u64());
        let arguments = self.arguments.iter().map(|word| if *word == "TEXT" { &text } else { *word });
        Given { process: host.start(arguments), text, order: self }
    }

    /// Gives one of the orders, by chance.
    pub(super) fn give_any(host: &Host, chance: &mut Chance) -> Given {
        ORDERS[chance.below(ORDERS.len() as u64) as usize].give(host, chance)
    }
}

impl Given {
    /// Waits for its end and takes down what was acknowledged, or gives how it was refused.
    #[track_caller]
    pub(super) fn note(self, ledger: &mut Ledger) -> Option<Output> {
        let output = self.process.ends(SOON);
        if output.code() == Some(0) {
            (self.order.note)(ledger, &output, &self.text);
            return None;
        }
        let code = output.code().unwrap();
        Some(output.fails(code))
    }
}

/// What was acknowledged.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    texts: Vec<String>,
    nameplates: BTreeSet<u32>,
    ticket: bool,
    revoked: bool,
    /// The serial number of the certificate that was shown last, where that is certain.
    serial: Option<String>,
    /// How many orders were acknowledged.
    pub(super) count: usize,
}

impl Ledger {
    fn said(&mut self, _: &Output, text: &str) {
        self.count += 1;
        self.texts.push(text.to_owned());
    }

    fn invited(&mut self, output: &Output, _: &str) {
        self.count += 1;
        self.nameplates.insert(output.line().split('-').next().unwrap().parse().unwrap());
    }

    fn got_ticket(&mut self, _: &Output, _: &str) {
        self.count += 1;
        self.ticket = true;
    }

    fn renewed(&mut self, output: &Output, _: &str) {
        self.count += 1;
        self.serial = Some(output.json()["serial"].as_str().unwrap().to_owned());
    }

    fn revoked(&mut self, _: &Output, _: &str) {
        self.count += 1;
        self.revoked = true;
    }

    /// Several orders were carried out at once, or failed when they might have been kept: nobody knows which certificate
    /// is the last.
    pub(super) fn several(&mut self) {
        self.serial = None;
    }

    /// Checks that the store of a node that does not run opens, is sound, fits together and holds all of this.
    #[track_caller]
    pub(super) fn check(&self, state: &Path) {
        let store = Store::open(state).unwrap_or_else(|error| panic!("{error}\n{}", error.remedy()));
        let loaded = store.load(&Table::ALL).unwrap();
        fits_together(&loaded);
        let records = |table| loaded.records.iter().filter(move |record| record.table == table);
        for text in &self.texts {
            let found =
                records(Table::Chat).filter(|record| contains(&record.value, text.as_bytes())).count();
            assert_eq!(found, 1, "{text} was queued");
        }
        for nameplate in &self.nameplates {
            let found = records(Table::Invites).any(|record| record.key == nameplate.to_be_bytes());
            assert!(found, "the invite {nameplate} was given out");
        }
        if let Some(serial) = &self.serial {
            let serial: Vec<u8> = (0..serial.len() / 2)
                .map(|at| u8::from_str_radix(&serial[at * 2..][..2], 16).unwrap())
                // As an integer of DER has none.
                .skip_while(|byte| *byte == 0)
                .collect();
            let found = records(Table::Membership).any(|record| contains(&record.value, &serial));
            assert!(found, "a certificate was shown that is not kept: {:?}", self.serial);
        }
        if self.revoked {
            let denied: Vec<_> = records(Table::Denied).map(|record| &record.key).collect();
            assert_eq!(denied.len(), 1, "a revocation was acknowledged");
            let enrolled = records(Table::Enrolments).any(|record| record.key == b"carol");
            assert!(!enrolled, "who was revoked has no record");
        }
        let tickets = records(Table::Tickets).count();
        assert!(tickets >= usize::from(self.ticket), "a ticket was shown");
    }
}

/// No change of several records was applied by half, and no record is damaged.
#[track_caller]
pub(super) fn fits_together(loaded: &Loaded) {
    assert!(loaded.damaged.is_empty(), "{:?}", loaded.damaged);
    let find =
        |table, key: &[u8]| loaded.records.iter().any(|record| record.table == table && record.key == key);
    let any = |table| loaded.records.iter().any(|record| record.table == table);
    let member = find(Table::Membership, b"member");
    assert!(!member || any(Table::Keys), "a member without its keys");
    assert_eq!(any(Table::Authority), any(Table::Enrolments), "half an authority");
    assert!(!any(Table::Authority) || member, "an authority that is no member");
    for Record { table, key, .. } in &loaded.records {
        if *table == Table::Chat && key.len() == 40 {
            assert!(find(Table::Chat, &key[..32]), "a line without its head");
        }
        if *table == Table::Denied {
            assert!(find(Table::Revocations, key) && find(Table::Revocations, b"head"), "half a revocation");
        }
        if *table == Table::Outbox {
            assert!(find(Table::Chat, key), "a message that waits and is none");
        }
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Chance that can be had again: `$LANYARD_SEED`, else another one each time.
pub(super) struct Chance(ChaCha8Rng);

impl Chance {
    /// Says the seed, which is shown where the test fails.
    pub(super) fn new() -> Self {
        let seed = env::var("LANYARD_SEED").ok().and_then(|text| text.parse().ok());
        let seed: u64 = seed.unwrap_or_else(|| u64::from(std::process::id()) << 32 | u64::from(subsecond()));
        eprintln!("LANYARD_SEED={seed}");
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64() % bound
    }

    /// Lets some time pass, less than `most` milliseconds: what has happened by then is different each time, which is
    /// the point.
    pub(super) fn pass(&mut self, most: u64) {
        let micros = self.below(most * 1000);
        std::thread::sleep(Duration::from_micros(micros));
    }
}

#[expect(clippy::disallowed_methods, reason = "a seed that differs from run to run")]
fn subsecond() -> u32 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.subsec_nanos())
}
