//! What happened, as a hash of all of it and as the last lines of it.

use std::collections::VecDeque;

use crate::event::HostId;
use crate::moment::Moment;

/// Steps of a host that are kept to be shown when an invariant is violated.
const RECENT: usize = 48;

/// One thing that happened at a host.
#[derive(Clone, Debug)]
pub struct Step {
    /// When.
    pub at: Moment,
    /// At which host.
    pub host: HostId,
    /// What.
    pub what: &'static str,
    /// The other host, if there is one.
    pub with: Option<HostId>,
    /// Bytes of the message or of the write, or the number of what has one.
    pub size: usize,
}

/// A host's history: same history, same digest.
pub(crate) struct Trace {
    hasher: blake3::Hasher,
    recent: VecDeque<Step>,
    kept: usize,
}

impl Default for Trace {
    fn default() -> Self {
        Self { hasher: blake3::Hasher::new(), recent: VecDeque::new(), kept: RECENT }
    }
}

impl Trace {
    /// Takes note of a step, with all its bytes.
    pub(crate) fn note(&mut self, step: Step, bytes: &[u8]) {
        let mut head = [0; 20];
        head[..8].copy_from_slice(&step.at.as_micros().to_le_bytes());
        head[8..12].copy_from_slice(&step.with.map_or(u32::MAX, |host| host.0).to_le_bytes());
        head[12..].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.hasher.update(&head).update(step.what.as_bytes()).update(&[0]).update(bytes);
        if self.recent.len() >= self.kept {
            self.recent.pop_front();
        }
        self.recent.push_back(step);
    }

    /// Keeps every step from now on.
    pub(crate) const fn keep_all(&mut self) {
        self.kept = usize::MAX;
    }

    /// The digest of every step.
    pub(crate) fn digest(&self) -> [u8; 32] {
        *self.hasher.finalize().as_bytes()
    }

    /// The last steps.
    pub(crate) fn recent(&self) -> impl Iterator<Item = &Step> {
        self.recent.iter()
    }
}
