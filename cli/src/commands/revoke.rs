//! `revoke`: a membership ends, and who knows of it.

use lanyard_protocol::control::{Code, Failure, Revoked};
use serde::Serialize;

use super::Context;
use crate::args;
use crate::error::{Error, Result};

/// `lanyard revoke`
pub(super) async fn revoke(context: &Context, revoke: args::Revoke) -> Result {
    let wait_ms = revoke.wait.map_or(0, |wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    let body = serde_json::json!({ "peer": revoke.peer, "reason": revoke.reason, "wait_ms": wait_ms });
    let report: Revoked = context.client().post("/v1/revoke", &body).await?;
    let failure = revoke.wait.and_then(|_| unconfirmed(&report));
    if context.printer.is_json() {
        context.printer.json(&Report { report: &report, error: failure.as_ref() })?;
    } else {
        tell(context, &report, revoke.wait.is_some());
    }
    failure.map_or(Ok(()), |failure| Err(Error::Reported(failure)))
}

/// What scripts read: the report, and why the command has failed all the same.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    report: &'a Revoked,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Failure>,
}

fn unconfirmed(report: &Revoked) -> Option<Failure> {
    let missing = report.missing.len();
    let members = if missing == 1 { "1 member".to_owned() } else { format!("{missing} members") };
    (missing > 0).then(|| {
        Failure::new(
            Code::Unreachable,
            format!("{members} did not confirm in time: {}", report.missing.join(", ")),
            "they are told again when they answer; wait longer with `--wait=D`, or see `lanyard peers`",
        )
    })
}

fn tell(context: &Context, report: &Revoked, waited: bool) {
    let say = |text: &str| context.printer.say(text);
    say(&format!("{} is no member any more; its key is not admitted again", report.peer));
    if waited {
        let within = report.last_ms.map_or_else(String::new, |last| format!(", the last after {last} ms"));
        say(&format!("{} of {} that are there have confirmed{within}", report.confirmed, report.live));
    } else if report.live > 0 {
        say(&format!("{} that are there are being told; `--wait` waits for them", report.live));
    }
    if !report.offline.is_empty() {
        say(&format!("not there, told when they come back: {}", report.offline.join(", ")));
    }
}
