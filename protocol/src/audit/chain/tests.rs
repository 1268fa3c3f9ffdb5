use proptest::prelude::*;

use super::*;

fn key() -> ChainKey {
    ChainKey::new(Zeroizing::new([7; 32]))
}

fn lines(key: &ChainKey, count: u64) -> (Vec<String>, Extent) {
    let mut chain = Chain::at(key, Position::BEGINNING);
    let lines = (0..count).map(|one| chain.link(&format!("{{\"what\":\"admitted\",\"about\":\"n{one}\"}}")));
    let lines = lines.collect();
    (lines, Extent { first: Position::BEGINNING, last: chain.position() })
}

/// What is found first in a log that ends there, with the number of lines that were good.
fn verify<T: AsRef<[u8]>>(key: &ChainKey, extent: &Extent, lines: &[T]) -> Result<u64, (u64, Fault)> {
    let mut chain = Chain::at(key, extent.first);
    let mut reached = extent.last == extent.first;
    for (good, line) in lines.iter().enumerate() {
        chain.check(line.as_ref()).map_err(|fault| (good as u64, fault))?;
        reached |= chain.position() == extent.last;
    }
    let found = chain.position().number;
    if reached { Ok(found) } else { Err((found, Fault::Truncated { expected: extent.last.number, found })) }
}

/// F7: one byte of any line is another one, whichever it is and whatever it becomes.
#[test]
fn every_altered_byte_is_found() {
    let key = key();
    let (lines, extent) = lines(&key, 3);
    assert_eq!(verify(&key, &extent, &lines), Ok(3));
    for (number, line) in lines.iter().enumerate() {
        for place in 0..line.len() {
            for flip in [0x01, 0x20, 0x80, 0xff] {
                let mut altered: Vec<Vec<u8>> = lines.iter().map(|line| line.clone().into_bytes()).collect();
                altered[number][place] ^= flip;
                let (good, _) = verify(&key, &extent, &altered).unwrap_err();
                assert_eq!(good, number as u64, "byte {place} of line {number}, {flip:#x}");
            }
        }
    }
}

/// F7: a line that is gone, a line that is there twice, two that have changed places, an end that is cut off.
#[test]
fn a_removed_moved_or_missing_line_is_found() {
    let key = key();
    let (lines, extent) = lines(&key, 6);
    for gone in 0..lines.len() {
        let mut fewer = lines.clone();
        let _ = fewer.remove(gone);
        let (good, fault) = verify(&key, &extent, &fewer).unwrap_err();
        assert_eq!(good, gone as u64);
        let last = gone + 1 == lines.len();
        let (expected, found) = (gone as u64 + 1, gone as u64 + 2);
        let truncated = Fault::Truncated { expected: 6, found: 5 };
        assert_eq!(fault, if last { truncated } else { Fault::Number { expected, found } });
        let mut more = lines.clone();
        more.insert(gone, lines[gone].clone());
        assert_eq!(verify(&key, &extent, &more).unwrap_err().0, gone as u64 + 1);
        for other in gone + 1..lines.len() {
            let mut swapped = lines.clone();
            swapped.swap(gone, other);
            assert_eq!(verify(&key, &extent, &swapped).unwrap_err().0, gone as u64);
        }
        let (good, fault) = verify(&key, &extent, &lines[..gone]).unwrap_err();
        assert_eq!((good, fault), (gone as u64, Fault::Truncated { expected: 6, found: gone as u64 }));
    }
}

/// F7: whoever does not have the key can neither add a line nor write the whole log anew.
#[test]
fn a_forged_line_and_a_forged_log_are_found() {
    let (key, other) = (key(), ChainKey::new(Zeroizing::new([8; 32])));
    let (mut genuine, extent) = lines(&key, 3);
    let forged = Chain::at(&other, extent.last).link("{\"what\":\"admitted\"}");
    genuine.push(forged);
    assert_eq!(verify(&key, &extent, &genuine), Err((3, Fault::Forged(4))));
    let (rewritten, _) = lines(&other, 3);
    assert_eq!(verify(&key, &extent, &rewritten), Err((0, Fault::Forged(1))));
    // A genuine line of another log of the same node, with the right number.
    let mut chain = Chain::at(&key, Position { number: 2, hash: Digest([1; 32]) });
    genuine.truncate(2);
    genuine.push(chain.link("{\"what\":\"admitted\"}"));
    assert_eq!(verify(&key, &extent, &genuine), Err((2, Fault::Previous(3))));
}

/// A log goes on where it has come to, and one whose beginning was dropped begins where its first line says.
#[test]
fn a_chain_is_taken_up_where_it_is() {
    let key = key();
    let (lines, extent) = lines(&key, 4);
    for (number, line) in lines.iter().enumerate() {
        let before = Position::before(line.as_bytes()).unwrap();
        assert_eq!(before.number, number as u64);
        let mut chain = Chain::at(&key, before);
        chain.check(line.as_bytes()).unwrap();
        assert_eq!(Position::behind(line.as_bytes()), Some(chain.position()));
    }
    assert_eq!(Position::behind(lines[3].as_bytes()), Some(extent.last));
    assert_eq!(Position::before(b"{\"number\":0,"), None);
}

proptest! {
    /// F7: what is no line of this node's is never taken for one, nor does it do any harm.
    #[test]
    fn anything_else_is_refused(mut line in prop::collection::vec(any::<u8>(), 0..300)) {
        let key = key();
        let mut chain = Chain::at(&key, Position::BEGINNING);
        prop_assert!(chain.check(&line).is_err());
        let _ = (Position::before(&line), Position::behind(&line));
        line.splice(0..0, *b"{\"number\":1,");
        prop_assert!(chain.check(&line).is_err());
        let _ = (Position::before(&line), Position::behind(&line));
    }
}
