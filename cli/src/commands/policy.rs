//! `policy`: who may do what.

mod change;
mod diff;
mod editor;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use lanyard_protocol::access::{self, FILE_MAX};
use lanyard_protocol::control::{
    ApplyPolicy, Code, DecisionName, ExplainPolicy, Explained, Failure, PolicyShown, ServiceRef,
};
use serde_json::json;

use self::change::Change;
use super::Context;
use crate::args::Policy;
use crate::error::{Error, Result};
use crate::host::Anywhere;

/// `lanyard policy`
pub(super) async fn policy(context: &Context, policy: Policy) -> Result {
    match policy {
        Policy::Show => show(context).await,
        Policy::Apply { file } => apply(context, &file).await,
        Policy::Test { file } => test(context, file.as_deref()).await,
        Policy::Diff { file } => compare(context, &file).await,
        Policy::Allow(wanted) => change::change(context, Change::Allow, &wanted).await,
        Policy::Forbid(wanted) => change::change(context, Change::Forbid, &wanted).await,
        Policy::Edit { yes } => editor::edit(context, yes).await,
        Policy::Explain { who, service } => explain(context, who, service).await,
    }
}

async fn present(context: &Context) -> Result<PolicyShown> {
    context.client().get("/v1/policy").await
}

/// The present policy, also where no node runs: from the store then.
async fn present_anywhere(context: &Context) -> Result<PolicyShown> {
    if !context.state.join("db").exists() {
        return present(context).await;
    }
    let node = Anywhere::find(&context.state, &context.client()).await?;
    let shown = node.policy().await;
    node.close().await;
    shown
}

async fn show(context: &Context) -> Result {
    let shown = present(context).await?;
    let printer = &context.printer;
    if printer.is_json() {
        return printer.json(&shown);
    }
    printer.text(&shown.text)?;
    match shown.epoch {
        0 => printer.say("this is the starter policy: nobody has applied another one"),
        epoch => printer.say(&format!("version {epoch}")),
    }
    Ok(())
}

async fn apply(context: &Context, file: &Path) -> Result {
    let text = read(file)?;
    let apply = ApplyPolicy { text, based_on: None };
    let shown: PolicyShown = context.client().put("/v1/policy", &apply).await?;
    applied(context, &shown)
}

/// Says that a new version holds.
fn applied(context: &Context, shown: &PolicyShown) -> Result {
    let printer = &context.printer;
    if printer.is_json() {
        return printer.json(shown);
    }
    printer.say(&format!(
        "version {} holds: members that are there are being told, the others when they come back",
        shown.epoch
    ));
    Ok(())
}

async fn test(context: &Context, file: Option<&Path>) -> Result {
    let text = match file {
        Some(file) => read(file)?,
        None => present_anywhere(context).await?.text,
    };
    let policy = access::Policy::parse(&text, 0)
        .map_err(|error| Error::new(Code::Failed, error.to_string(), "mend it there; nothing was changed"))?;
    let failed: Vec<String> = policy.failed_tests().iter().map(ToString::to_string).collect();
    let (printer, tests) = (&context.printer, policy.tests());
    let failure = (!failed.is_empty()).then(|| {
        Failure::new(
            Code::Failed,
            format!("{} of {tests} tests fail", failed.len()),
            "mend the grants or the tests",
        )
    });
    if printer.is_json() {
        let error = failure.as_ref();
        printer.json(&json!({ "tests": tests, "failed": failed, "error": error }))?;
        return failure.map_or(Ok(()), |failure| Err(Error::Reported(failure)));
    }
    failed.iter().try_for_each(|line| printer.line(line))?;
    match failure {
        Some(failure) => Err(Error::new(failure.code, failure.message, failure.remedy)),
        None => {
            printer.say(&format!("all {tests} tests pass"));
            Ok(())
        }
    }
}

async fn compare(context: &Context, file: &Path) -> Result {
    let new = read(file)?;
    let old = present_anywhere(context).await?.text;
    let lines = diff::lines(&old, &new);
    let printer = &context.printer;
    if printer.is_json() {
        return printer.json(&json!({ "same": old == new, "lines": lines }));
    }
    if lines.is_empty() {
        printer.say("it is the present policy");
    }
    lines.iter().try_for_each(|line| printer.line(line))
}

async fn explain(context: &Context, who: String, service: ServiceRef) -> Result {
    let explained: Explained =
        context.client().post("/v1/policy/explain", &ExplainPolicy { who, service }).await?;
    let printer = &context.printer;
    if printer.is_json() {
        return printer.json(&explained);
    }
    match (explained.decision, explained.rule) {
        (DecisionName::Allow, rule) => printer.line(&format!("allowed by {}", rule.unwrap_or_default())),
        (DecisionName::Deny, _) => {
            printer.line("denied")?;
            explained.missing.iter().try_for_each(|missing| printer.line(&format!("it lacks {missing}")))
        }
    }
}

/// The policy in a file, of which no more is read than a policy may have.
fn read(file: &Path) -> Result<String> {
    let mut text = String::new();
    File::open(file).and_then(|opened| opened.take(FILE_MAX as u64 + 1).read_to_string(&mut text)).map_err(
        |error| {
            let code =
                if error.kind() == std::io::ErrorKind::NotFound { Code::NotFound } else { Code::Failed };
            let what = format!("{} cannot be read: {error}", file.display());
            Error::new(code, what, "name a file with a policy; `lanyard policy show` prints the present one")
        },
    )?;
    Ok(text)
}
