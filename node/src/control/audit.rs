//! The audit log in the local API: for the owner alone, which was decided before it gets here.
//!
//! ```text
//! GET  /v1/audit             ?from=&limit=           → Page
//! GET  /v1/audit/events      ?from=                  → events: Record
//! GET  /v1/audit/verify                              → Report
//! ```

use core::convert::Infallible;
use core::time::Duration;
use std::collections::VecDeque;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::stream::unfold;
use lanyard_protocol::audit::{Page, Record, Report};
use lanyard_protocol::control::{Code, Failure};
use serde::Deserialize;

use super::error::ApiError;
use crate::audit::{Audit, AuditError};
use crate::tasks::Tasks;

/// Records of an answer where nobody says how many.
const LIMIT: usize = 100;

/// How often a stream without events shows that it is alive, so that one whose reader has gone ends.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// What the routes act on.
#[derive(Clone)]
struct Log {
    audit: Audit,
    tasks: Tasks,
}

pub(crate) fn router(audit: Audit, tasks: Tasks) -> Router {
    Router::new()
        .route("/v1/audit", get(records))
        .route("/v1/audit/events", get(events))
        .route("/v1/audit/verify", get(verify))
        .with_state(Log { audit, tasks })
}

/// Which records.
#[derive(Deserialize)]
struct Wanted {
    from: Option<u64>,
    limit: Option<usize>,
}

async fn records(
    State(log): State<Log>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Page>, ApiError> {
    let Query(wanted) = wanted.map_err(|rejection| usage(&rejection))?;
    let (from, limit) = (wanted.from.unwrap_or(1), wanted.limit.unwrap_or(LIMIT));
    blocking(move || log.audit.read(from, limit)).await.map(Json)
}

async fn verify(State(log): State<Log>) -> Result<Json<Report>, ApiError> {
    blocking(move || log.audit.verify()).await.map(Json)
}

/// What a follower has yet to be sent, and from where it goes on.
struct Follower {
    log: Log,
    next: u64,
    waiting: VecDeque<Record>,
}

impl Follower {
    /// The next record, as soon as there is one; nothing once the node stops.
    async fn next(&mut self) -> Option<Record> {
        loop {
            if let Some(record) = self.waiting.pop_front() {
                return Some(record);
            }
            let reached = self.log.audit.reaches(self.next);
            if !self.log.tasks.until_stopping(reached).await? {
                return None;
            }
            let (audit, next) = (self.log.audit.clone(), self.next);
            let page = blocking(move || audit.read(next, LIMIT)).await.ok()?;
            // Where lines cannot be read there is no more to come of them.
            self.next = if page.records.is_empty() { self.next + 1 } else { page.next };
            self.waiting = page.records.into();
        }
    }
}

async fn events(
    State(log): State<Log>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(wanted) = wanted.map_err(|rejection| usage(&rejection))?;
    let follower = Follower { log, next: wanted.from.unwrap_or(1).max(1), waiting: VecDeque::new() };
    let events = unfold(follower, async |mut follower| {
        let record = follower.next().await?;
        let data = serde_json::to_string(&record).unwrap_or_default();
        Some((Ok::<_, Infallible>(Event::default().data(data)), follower))
    });
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(events).keep_alive(keep_alive).into_response())
}

/// The disk is looked at where that keeps nobody else waiting.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AuditError> + Send + 'static,
) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| {
        Failure::new(Code::Failed, format!("the reading broke off: {error}"), "look into the node's log")
    })?;
    Ok(done.map_err(|error| error.failure())?)
}

fn usage(rejection: &QueryRejection) -> ApiError {
    let remedy = "name a number, as in `/v1/audit?from=1&limit=100`";
    Failure::new(Code::Usage, rejection.body_text(), remedy).into()
}
