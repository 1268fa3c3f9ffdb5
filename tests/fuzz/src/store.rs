//! A store whose records are not what was written.

use std::time::Duration;

use lanyard_protocol::control::{Caller, Command};
use lanyard_protocol::engine::{CommandId, Damaged, Engine, Setup};
use lanyard_protocol::record::{Record, Table};

use crate::input::Input;
use crate::world::{NOW, World, records, rng};

/// Alters, removes, moves and adds records of an authority or of a member: the node starts, or says what is damaged. If
/// it starts with its keys, it is who it was.
pub fn store(data: &[u8]) {
    let world = World::get();
    let mut input = Input::new(data);
    let (kept, id) = *input.pick(&[(&world.authority, world.authority_id), (&world.member, world.member_id)]);
    let mut records = records(kept);
    let keys = |records: &[Record]| {
        let mut keys: Vec<(Vec<u8>, Vec<u8>)> = records
            .iter()
            .filter(|record| record.table == Table::Keys)
            .map(|record| (record.key.clone(), record.value.clone()))
            .collect();
        keys.sort();
        keys
    };
    let before = keys(&records);
    let mut damaged = Vec::new();
    for _ in 0..8 {
        if input.is_empty() {
            break;
        }
        alter(&mut input, &mut records, &mut damaged);
    }
    let same_keys = before == keys(&records);
    let setup = Setup { records, damaged, has_aes: true, ..Setup::default() };
    let Ok(mut engine) = Engine::new(setup, NOW, Box::new(rng(7))) else { return };
    assert!(!same_keys || engine.node_id() == id, "another node than its keys say");
    if let Some(certificate) = engine.snapshot().certificate() {
        assert_eq!(certificate.node_id(), engine.node_id(), "another node's certificate");
    }
    for (number, command) in
        [Command::Status, Command::Peers, Command::Tickets, Command::Certificates, Command::Renew]
            .into_iter()
            .enumerate()
    {
        engine.handle_command(CommandId(number as u64), Caller::NODE, command, NOW);
        while engine.poll_output().is_some() {}
    }
    for hours in [1, 25, 80] {
        engine.handle_timeout(NOW.after(Duration::from_secs(hours * 3600)));
        while engine.poll_output().is_some() {}
        assert!(engine.poll_timeout().is_some());
    }
}

pub(crate) fn alter(input: &mut Input<'_>, records: &mut Vec<Record>, damaged: &mut Vec<Damaged>) {
    let at = usize::from(input.byte()) % (records.len() + 1);
    match (input.byte() % 6, records.get_mut(at)) {
        (0, Some(_)) => drop(records.remove(at)),
        (1, Some(record)) => record.value = input.altered(std::mem::take(&mut record.value)),
        (2, Some(record)) => record.value = input.bytes().to_vec(),
        (3, Some(record)) => record.table = *input.pick(&Table::ALL),
        (4, Some(record)) => record.key = input.bytes().to_vec(),
        (5, Some(record)) => damaged.push(Damaged { table: record.table, key: "?".to_owned() }),
        _ => {
            let (table, key, value) =
                (*input.pick(&Table::ALL), input.bytes().to_vec(), input.bytes().to_vec());
            records.push(Record { table, key, value });
        }
    }
}
