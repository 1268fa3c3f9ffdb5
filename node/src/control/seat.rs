//! Where a caller sits: the uid that the kernel says, and the session that its process is in.
//!
//! A log-in is bound to both. A session is its leader's process id and start time, so that nobody takes over a log-in
//! by being given the number of a terminal that was closed. A script may name its session instead, with the header
//! [`SESSION`]: that tells apart what one uid does, and never reaches another uid's log-ins.

use std::fs;

use axum::http::HeaderMap;
use lanyard_protocol::control::{Caller, Code, Failure};
use lanyard_protocol::people::Seat;
use rand_core::Rng as _;
use tokio::net::UnixStream;

use crate::ambient::OsRng;

/// The header that names a session: 1 to 64 of a-z, 0-9 and '-'.
pub(crate) const SESSION: &str = "lanyard-session";

/// The caller at the other end of `stream`, to the node that runs as `owner`.
pub(super) fn caller_of(stream: &UnixStream, owner: u32) -> Option<Caller> {
    let credentials = stream.peer_cred().ok()?;
    // Who cannot be looked up, from another process namespace say, shares no seat with anybody: a name makes one.
    let session = credentials.pid().and_then(session_of).unwrap_or_else(|| OsRng.next_u64());
    Some(caller(Seat { uid: credentials.uid(), session }, owner))
}

/// Who sits there to the node that runs as `owner`.
pub(super) const fn caller(seat: Seat, owner: u32) -> Caller {
    if seat.uid == owner { Caller::Owner(seat) } else { Caller::Other(seat) }
}

/// The same caller in the session that it names, if it names one.
///
/// # Errors
/// If that is no name: two scripts that misname their sessions are not to share one.
pub(super) fn in_named_session(caller: Caller, headers: &HeaderMap) -> Result<Caller, Failure> {
    let Some(name) = headers.get(SESSION).map(|name| name.as_bytes()) else { return Ok(caller) };
    if !is_name(name) {
        let message = "the name of the session is none: it has 1 to 64 of a-z, 0-9 and '-'";
        return Err(Failure::new(Code::Usage, message, "choose another one for LANYARD_SESSION"));
    }
    let seat = Seat { session: hashed(b"named", name), ..caller.seat() };
    Ok(match caller {
        Caller::Owner(_) => Caller::Owner(seat),
        Caller::Other(_) => Caller::Other(seat),
    })
}

fn is_name(name: &[u8]) -> bool {
    (1..=64).contains(&name.len()) && name.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// The session of a process, or nothing if it is gone.
fn session_of(pid: i32) -> Option<u64> {
    let leader = Stat::of(pid)?.session;
    // Of a leader that has ended nobody else has the number while the session lives.
    let began = Stat::of(leader).map_or(0, |leader| leader.began);
    let parts = [leader.to_le_bytes().as_slice(), &began.to_le_bytes()].concat();
    Some(hashed(b"leader", &parts))
}

/// What proc_pid_stat(5) says of a process.
struct Stat {
    session: i32,
    began: u64,
}

impl Stat {
    fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in brackets, may hold anything. The fields after it begin with the third.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace();
        let session = fields.nth(3)?.parse().ok()?;
        let began = fields.nth(15)?.parse().ok()?;
        Some(Self { session, began })
    }
}

fn hashed(kind: &[u8], what: &[u8]) -> u64 {
    let hash = blake3::Hasher::new().update(kind).update(&[0]).update(what).finalize();
    hash.as_bytes().first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// G1: a name tells apart the sessions of one uid, and makes nobody another uid or an owner.
    #[test]
    fn a_name_stays_within_its_uid() {
        let named = |name: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(SESSION, name.parse().unwrap());
            in_named_session(caller(Seat { uid: 1001, session: 7 }, 1000), &headers)
        };
        let Ok(Caller::Other(seat)) = named("till") else { panic!("it owns nothing") };
        assert_eq!(seat.uid, 1001);
        assert_ne!(seat.session, named("desk").unwrap().seat().session);
        for none in ["", "Till", "job_1", "a b", &"a".repeat(65)] {
            assert_eq!(named(none).unwrap_err().code, Code::Usage, "{none:?}");
        }
    }

    /// G1: processes of one session sit at one seat, and those of another at another.
    #[test]
    fn a_session_is_its_leaders() {
        let own = session_of(i32::try_from(std::process::id()).unwrap()).unwrap();
        let mut same = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let mut other = std::process::Command::new("setsid").args(["sleep", "60"]).spawn().unwrap();
        let (same_id, other_id) = (same.id() as i32, other.id() as i32);
        assert_eq!(session_of(same_id), Some(own));
        // Between its start and its new session it is still in this one.
        while session_of(other_id) == Some(own) {
            std::thread::yield_now();
        }
        assert!(session_of(other_id).is_some());
        for child in [&mut same, &mut other] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
