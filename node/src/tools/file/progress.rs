//! How far a transfer is, told a few times a second.

use core::time::Duration;
use std::time::Instant;

use lanyard_protocol::control::{Failure, TransferEvent};
use tokio::sync::mpsc;

use crate::ambient;

/// How often progress is told.
const EVERY: Duration = Duration::from_millis(250);

/// Tells whoever watches a transfer how far it is.
#[derive(Debug)]
pub(super) struct Progress {
    events: mpsc::Sender<TransferEvent>,
    path: String,
    total: u64,
    bytes: u64,
    started: Instant,
    told: Instant,
    told_bytes: u64,
}

impl Progress {
    pub(super) fn new(events: mpsc::Sender<TransferEvent>, path: String, total: u64) -> Self {
        let now = ambient::monotonic();
        Self { events, path, total, bytes: 0, started: now, told: now, told_bytes: 0 }
    }

    /// `bytes` more are there.
    pub(super) fn advance(&mut self, bytes: u64) {
        self.bytes += bytes;
        let now = ambient::monotonic();
        let since = now.saturating_duration_since(self.told);
        if since < EVERY {
            return;
        }
        let rate = ((self.bytes - self.told_bytes) as f64 / since.as_secs_f64()) as u64;
        let eta_s = self.total.saturating_sub(self.bytes).div_ceil(rate.max(1));
        // Whoever is too slow for this one gets the next.
        let _ = self.events.try_send(TransferEvent::Progress {
            path: self.path.clone(),
            bytes: self.bytes,
            total: self.total,
            rate,
            eta_s,
        });
        (self.told, self.told_bytes) = (now, self.bytes);
    }

    /// Everything is verified and durable, at `path`.
    pub(super) async fn done(self, hash: blake3::Hash, path: String) {
        let seconds = ambient::monotonic().saturating_duration_since(self.started).as_secs_f64();
        let blake3 = hash.to_hex().to_string();
        let done = TransferEvent::Done { files: 1, bytes: self.total, blake3, seconds, path };
        let _ = self.events.send(done).await;
    }

    /// It ended otherwise.
    pub(super) async fn failed(self, failure: Failure) {
        let _ = self.events.send(TransferEvent::Failed(failure)).await;
    }

    /// Where its events go.
    pub(super) const fn events(&self) -> &mpsc::Sender<TransferEvent> {
        &self.events
    }
}
