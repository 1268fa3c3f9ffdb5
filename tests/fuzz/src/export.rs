//! Exports of a node's state. A clear one is sealed under a key that stands in it, so whoever has one can make any.

use std::io::Write as _;
use std::path::Path;
use std::sync::OnceLock;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use lanyard_node::store::export::{ExportError, verify};
use lanyard_protocol::codec;
use lanyard_protocol::control::{Exported, RoleName};
use lanyard_protocol::identity::{NetworkName, NodeId, NodeName};
use lanyard_protocol::label::Label;
use lanyard_protocol::record::Record;
use lanyard_protocol::time::Timestamp;
use serde::Serialize;

use crate::input::Input;
use crate::world::{Kept, NOW, World, records};

/// The salt of every export that is made here.
const SALT: [u8; 32] = [7; 32];

/// The most parts of an export whose parts are anything.
const PARTS: usize = 16;

/// A part, as this file believes that exports are written.
#[derive(Serialize)]
enum Part {
    About {
        id: NodeId,
        name: Option<NodeName>,
        network: Option<NetworkName>,
        role: RoleName,
        exported: Timestamp,
        store_format: u32,
    },
    Records(Vec<(u8, Vec<u8>, Vec<u8>)>),
    End {
        records: u64,
    },
}

/// A file that should be an export. By its first byte: any bytes; parts that hold anything, properly sealed; the
/// export of a node whose records are not what was written.
pub fn export(data: &[u8]) {
    let Some((&how, data)) = data.split_first() else { return };
    match how % 3 {
        0 => {
            if read(data).is_ok() {
                assert_eq!(data, good(), "nobody sealed this");
            }
        }
        1 => {
            if let Ok(exported) = read(&sealed(&parts(data))) {
                assert!(exported.records < data.len() as u64);
            }
        }
        _ => altered(data),
    }
}

/// The parts that `data` consists of, each behind its length in two bytes, little-endian.
fn parts(mut data: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    while let Some((&length, rest)) = data.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(length)).min(rest.len());
        parts.push(rest[..length].to_vec());
        data = &rest[length..];
        if parts.len() == PARTS {
            break;
        }
    }
    parts
}

fn altered(data: &[u8]) {
    let world = World::get();
    let mut input = Input::new(data);
    let (kept, id) = *input.pick(&[(&world.authority, world.authority_id), (&world.member, world.member_id)]);
    let mut records = exported(kept);
    while !input.is_empty() && records.len() < 64 {
        crate::store::alter(&mut input, &mut records, &mut Vec::new());
    }
    let count = records.len() as u64;
    let allowed = records.iter().all(|record| record.table.is_exported());
    if let Ok(exported) = read(&sealed(&written(id, records))) {
        assert_eq!((exported.id, exported.records, exported.sealed), (id, count, false));
        assert!(allowed, "a record that no export holds");
    }
}

fn exported(kept: &Kept) -> Vec<Record> {
    records(kept).into_iter().filter(|record| record.table.is_exported()).collect()
}

/// The parts of the export of `id`, three records in each.
fn written(id: NodeId, records: Vec<Record>) -> Vec<Vec<u8>> {
    let world = World::get();
    let node = if id == world.authority_id { &world.provider } else { &world.requester };
    let certificate = node.certificate().unwrap();
    let about = Part::About {
        id,
        name: Some(certificate.name().clone()),
        network: Some(certificate.network().clone()),
        role: if id == world.authority_id { RoleName::Authority } else { RoleName::Member },
        exported: NOW,
        store_format: 1,
    };
    let end = Part::End { records: records.len() as u64 };
    let rows: Vec<_> =
        records.into_iter().map(|record| (record.table as u8, record.key, record.value)).collect();
    let records = rows.chunks(3).map(|rows| codec::encode(&Part::Records(rows.to_vec())));
    [codec::encode(&about)].into_iter().chain(records).chain([codec::encode(&end)]).collect()
}

/// The file of a clear export with these parts.
fn sealed(parts: &[Vec<u8>]) -> Vec<u8> {
    let digits: String = SALT.iter().map(|byte| format!("{byte:02x}")).collect();
    let header = format!("lanyard-state-export-1 clear {digits}\n");
    let key = Label::StateExport.derive::<32>(&SALT, &SALT, &[b"frame"]);
    let cipher = XChaCha20Poly1305::new(&(*key).into());
    let mut file = header.clone().into_bytes();
    for (number, part) in (0_u64..).zip(parts) {
        let aad = Label::StateExport.join(&[header.as_bytes(), &number.to_le_bytes()]);
        let nonce = [u8::try_from(number % 251).unwrap(); 24];
        let sealed = cipher.encrypt(&XNonce::from(nonce), Payload { msg: part, aad: &aad }).unwrap();
        file.extend(u32::try_from(nonce.len() + sealed.len()).unwrap().to_le_bytes());
        file.extend(nonce);
        file.extend(sealed);
    }
    file
}

/// The member's export.
pub(crate) fn good() -> &'static [u8] {
    static GOOD: OnceLock<Vec<u8>> = OnceLock::new();
    GOOD.get_or_init(|| sealed(&good_parts()))
}

/// What is sealed in it.
pub(crate) fn good_parts() -> Vec<Vec<u8>> {
    let world = World::get();
    written(world.member_id, exported(&world.member))
}

pub(crate) fn read(file: &[u8]) -> Result<Exported, ExportError> {
    let mut at = tempfile::NamedTempFile::new().unwrap();
    at.write_all(file).unwrap();
    let path: &Path = at.path();
    verify(path, None, NOW)
}
