//! What happens to records on a hostile stream.

use lanyard_protocol::channel::{HEADER_LEN, PAYLOAD_MAX, ReceiveError, Sealer, SendError, Suites, TAG_LEN};

use super::{channel, receive};

const BOTH: [Suites; 2] = [Suites::ALL, Suites::PORTABLE];

/// D1: what a side sent does not open when it comes back, nor does a record of the other direction.
#[test]
fn refuses_reflected_records() {
    for suites in BOTH {
        let (mut requester, mut provider) = channel(suites, suites);
        let stream = sealed(&mut requester.sealer, &[b"order"]).concat();
        assert_eq!(receive(&mut requester.opener, &stream).1, Err(ReceiveError::Forged { number: 0 }));
        // The provider's own number 1 against the requester's number 1.
        let stream = sealed(&mut provider.sealer, &[b"", b"bill"])[1].clone();
        assert_eq!(receive(&mut provider.opener, &stream).1, Err(ReceiveError::Forged { number: 1 }));
    }
}

/// D2: whichever of the first records is dropped, repeated or exchanged with the next, the channel fails there,
/// and delivers nothing from then on.
#[test]
fn refuses_dropped_reordered_and_repeated_records() {
    const N: usize = 8;
    let payloads: Vec<[u8; 1]> = (0..N as u8).map(|byte| [byte]).collect();
    let payloads: Vec<&[u8]> = payloads.iter().map(<[u8; 1]>::as_slice).collect();
    for at in 0..N - 1 {
        for attack in ["drop", "repeat", "swap"] {
            let (mut requester, mut provider) = channel(Suites::ALL, Suites::ALL);
            let mut records = sealed(&mut requester.sealer, &payloads);
            let mut delivered = at;
            match attack {
                "drop" => drop(records.remove(at)),
                "swap" => records.swap(at, at + 1),
                _ => {
                    records.insert(at, records[at].clone());
                    delivered += 1;
                }
            }
            let (received, result) = receive(&mut provider.opener, &records.concat());
            assert_eq!(received, payloads[..delivered].concat(), "{attack} {at}");
            // The first record of the channel had the number 0 and came already.
            assert_eq!(result, Err(ReceiveError::Forged { number: delivered as u64 + 1 }), "{attack} {at}");
            assert_eq!(provider.opener.end(), Err(ReceiveError::Failed));
        }
    }
}

/// D3: a stream that is cut anywhere before its last byte never counts as closed.
#[test]
fn a_cut_is_never_a_close() {
    let stream = |requester: &mut lanyard_protocol::channel::Opened| {
        sealed(&mut requester.sealer, &[b"first", b"", b"last"]).concat()
    };
    let whole = {
        let (mut requester, mut provider) = channel(Suites::ALL, Suites::ALL);
        let mut bytes = stream(&mut requester);
        requester.sealer.close(&mut bytes).unwrap();
        assert_eq!(receive(&mut provider.opener, &bytes), (b"firstlast".to_vec(), Ok(())));
        bytes
    };
    for cut in 0..whole.len() {
        let (_, mut provider) = channel(Suites::ALL, Suites::ALL);
        let (_, result) = receive(&mut provider.opener, &whole[..cut]);
        assert!(matches!(result, Err(ReceiveError::Truncated { .. })), "cut at {cut}: {result:?}");
    }
}

#[test]
fn refuses_records_after_the_close() {
    let (mut requester, mut provider) = channel(Suites::ALL, Suites::ALL);
    let more = sealed(&mut requester.sealer, &[b"more"]).concat();
    let (mut requester, _) = channel(Suites::ALL, Suites::ALL);
    let mut stream = sealed(&mut requester.sealer, &[b"all"]).concat();
    requester.sealer.close(&mut stream).unwrap();
    stream.extend(more);
    assert_eq!(receive(&mut provider.opener, &stream), (b"all".to_vec(), Err(ReceiveError::Closed)));
}

/// D4: a record holds nothing, or the maximum; one more byte is refused by both sides, before any buffer.
#[test]
fn bounds_what_a_record_holds() {
    for suites in BOTH {
        let (mut requester, mut provider) = channel(suites, suites);
        for len in [0, 1, PAYLOAD_MAX] {
            let payload = vec![7; len];
            let stream = sealed(&mut requester.sealer, &[&payload]).concat();
            assert_eq!(stream.len(), HEADER_LEN + len + TAG_LEN);
            assert_eq!(receive(&mut provider.opener, &stream).0, payload);
        }
        let long = vec![7; PAYLOAD_MAX + 1];
        let mut out = vec![1];
        let too_long = Err(SendError::TooLong { len: PAYLOAD_MAX + 1 });
        assert_eq!(requester.sealer.seal_into(&long, &mut out), too_long);
        assert_eq!(out, [1], "nothing is left behind");
        assert_eq!(
            provider.opener.header(&[0, 0xff, 0xff, 0xff]),
            Err(ReceiveError::TooLong { len: 0xff_ffff, max: PAYLOAD_MAX })
        );
    }
}

/// The length and the kind are authenticated: a shorter body or another kind does not open.
#[test]
fn refuses_altered_records() {
    for suites in BOTH {
        let (mut requester, _) = channel(suites, suites);
        let record = sealed(&mut requester.sealer, &[b"order"]).concat();
        for bit in 0..record.len() * 8 {
            let (_, mut provider) = channel(suites, suites);
            let mut altered = record.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            let (received, result) = receive(&mut provider.opener, &altered);
            assert!(received.is_empty() && result.is_err(), "bit {bit}");
        }
    }
}

#[test]
fn a_record_made_in_place_is_the_same_record() {
    let (mut requester, mut provider) = channel(Suites::ALL, Suites::ALL);
    let mut buffer = [0; 64];
    buffer[HEADER_LEN..HEADER_LEN + 5].copy_from_slice(b"order");
    let needed = HEADER_LEN + 5 + TAG_LEN;
    let short = SendError::Buffer { actual: needed - 1, needed };
    assert_eq!(requester.sealer.seal_in_place(&mut buffer[..needed - 1], 5), Err(short));
    assert_eq!(buffer[HEADER_LEN..HEADER_LEN + 5], *b"order", "as it was");
    let len = requester.sealer.seal_in_place(&mut buffer, 5).unwrap();
    assert_eq!(len, needed);
    assert_eq!(receive(&mut provider.opener, &buffer[..len]).0, b"order");
}

/// One record for each payload.
fn sealed(sealer: &mut Sealer, payloads: &[&[u8]]) -> Vec<Vec<u8>> {
    payloads
        .iter()
        .map(|payload| {
            let mut record = Vec::new();
            sealer.seal_into(payload, &mut record).unwrap();
            record
        })
        .collect()
}
