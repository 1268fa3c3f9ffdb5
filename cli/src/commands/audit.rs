//! `audit`: what this node has decided.

use lanyard_protocol::audit::{Page, Record, Report};
use lanyard_protocol::control::{Code, DecisionName, Failure};

use super::Context;
use crate::args::Audit;
use crate::error::{Error, Result};
use crate::host;

/// Records that are asked for at a time.
const PAGE: usize = 1000;

/// `lanyard audit`
pub(super) async fn audit(context: &Context, wanted: Audit) -> Result {
    match wanted {
        Audit { verify: true, .. } => verify(context).await,
        Audit { follow: true, from, .. } => follow(context, from).await,
        Audit { from, .. } => show(context, from).await,
    }
}

/// Whether a node runs that can be asked; if none does, there is at least the state of one.
async fn is_running(context: &Context) -> Result<bool> {
    let running = context.client().is_running().await?;
    if !running && !context.state.join("db").exists() {
        let what = format!("there is no node's state in {}", context.state.display());
        return Err(Error::new(Code::NotFound, what, "name the state directory of a node: `--state DIR`"));
    }
    Ok(running)
}

async fn show(context: &Context, mut from: u64) -> Result {
    let running = is_running(context).await?;
    let mut unreadable = 0;
    loop {
        let page: Page = if running {
            context.client().get(&format!("/v1/audit?from={from}&limit={PAGE}")).await?
        } else {
            host::audit_page(&context.state, from, PAGE).await?
        };
        page.records.iter().try_for_each(|record| print(context, record))?;
        unreadable += page.unreadable;
        if !page.more {
            break;
        }
        from = page.next;
    }
    if unreadable > 0 {
        context.printer.stress(&format!("there are {unreadable} lines that are no records"));
        context.printer.say(&format!("see what is wrong: `{}`", context.command("audit --verify")));
    }
    Ok(())
}

async fn follow(context: &Context, from: u64) -> Result {
    let mut records = context.client().events::<Record>(&format!("/v1/audit/events?from={from}")).await?;
    while let Some(record) = records.next().await? {
        print(context, &record)?;
    }
    Ok(())
}

fn print(context: &Context, record: &Record) -> Result {
    if context.printer.is_json() { context.printer.json(record) } else { context.printer.line(&line(record)) }
}

/// `12  2026-11-27T20:11:02Z  deny   ticket_refused  till at 10.0.0.7:4610  stock@office: not granted`
fn line(record: &Record) -> String {
    let Record { number, entry, .. } = record;
    let decision = match entry.decision {
        DecisionName::Allow => "allow",
        DecisionName::Deny => "deny",
    };
    let (at, what, from) = (entry.at.0, entry.what.as_str(), entry.from);
    let who = &entry.who;
    let node = who.name.clone().or_else(|| who.node.map(|node| node.short()));
    let uid = || who.uid.map(|uid| format!("uid {uid}"));
    let person = match (&who.user, &who.person) {
        (Some(user), Some(person)) if user != person => Some(format!("{user} ({person})")),
        (user, person) => user.clone().or_else(|| person.clone()),
    };
    let who = [person, node].into_iter().flatten().collect::<Vec<_>>().join("@");
    let who = if who.is_empty() { uid().unwrap_or_else(|| "this node".to_owned()) } else { who };
    let about = [entry.about.as_str(), entry.reason.as_str()];
    let about = about.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ");
    format!("{number:>6}  {at}  {decision:<5}  {what:<17}  {who} ({from})  {about}").trim_end().to_owned()
}

async fn verify(context: &Context) -> Result {
    let report: Report = if is_running(context).await? {
        context.client().get("/v1/audit/verify").await?
    } else {
        host::verify_audit(&context.state).await?
    };
    let printer = &context.printer;
    let failure = report.fault.as_ref().map(|found| {
        let place = format!("{}, line {}", found.file.display(), found.line);
        let what =
            format!("the audit log is at fault from record {} on: {} ({place})", found.number, found.what);
        let good = if report.records == 0 {
            "no record before it can be relied on".to_owned()
        } else {
            format!("records {} to {} are as they were written", report.first, report.last)
        };
        Failure::new(Code::Data, what, format!("{good}; find out who can write to this disk"))
    });
    if printer.is_json() {
        printer.json(&report)?;
        return failure.map_or(Ok(()), |failure| Err(Error::Reported(failure)));
    }
    if let Some(failure) = failure {
        return Err(failure.into());
    }
    if report.unfinished > 0 {
        printer.say(
            "a crash has left a record unfinished at the end: nothing that it was about was acknowledged",
        );
    }
    match report.records {
        0 => printer.line("there are no records yet"),
        1 => printer.line(&format!("1 record is as it was written: record {}", report.first)),
        count => printer
            .line(&format!("{count} records are as they were written: {} to {}", report.first, report.last)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line_that_says_who_what_when_from_where_and_why() {
        let json = r#"{"number":12,"at":"2026-11-27T20:11:02Z","what":"ticket_refused","decision":"deny",
            "who":{"name":"till","person":"ana"},"from":"10.0.0.7:4610","about":"stock@office",
            "reason":"not granted","hash":"00"}"#;
        let mut record: Record = serde_json::from_str(json).unwrap();
        assert_eq!(
            line(&record),
            "    12  2026-11-27T20:11:02Z  deny   ticket_refused     ana@till (10.0.0.7:4610)  stock@office: not granted"
        );
        record.entry = lanyard_protocol::audit::Entry::new(record.entry.at.0, record.entry.what);
        assert_eq!(line(&record), "    12  2026-11-27T20:11:02Z  allow  ticket_refused     this node (node)");
    }
}
