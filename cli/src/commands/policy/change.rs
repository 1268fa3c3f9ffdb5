//! `policy allow`, `policy forbid` and `policy edit`: the present policy, changed by a person.

use lanyard_protocol::access::{self, Edit, EditError, Kind, PolicyError, Subject, Who};
use lanyard_protocol::control::{ApplyPolicy, Code, Peer, PolicyShown, Status};
use lanyard_protocol::identity::NodeName;
use serde_json::json;

use super::{applied, diff, present};
use crate::args::PolicyEdit;
use crate::commands::Context;
use crate::error::{Error, Result};
use crate::input;

/// What one edit does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Adds a grant.
    Allow,
    /// Takes one away.
    Forbid,
}

/// `lanyard policy allow` and `lanyard policy forbid`
pub(super) async fn change(context: &Context, change: Change, wanted: &PolicyEdit) -> Result {
    let shown = present(context).await?;
    let policy = parsed(&shown)?;
    let who = subject(context, &policy, &wanted.who).await?;
    let edit = match change {
        Change::Allow => policy.allow(&who, &wanted.service),
        Change::Forbid => policy.forbid(&who, &wanted.service),
    };
    match edit.map_err(|error| refused(context, &error, wanted))? {
        Edit::Allowed(rule) => unchanged(context, &format!("it is allowed already, by {rule}"), Some(&rule)),
        Edit::NotGranted => unchanged(context, "no grant allows it: there is nothing to take away", None),
        Edit::Changed(text) => propose(context, &shown, text, wanted.yes).await,
    }
}

/// The present policy as this program reads it.
fn parsed(shown: &PolicyShown) -> Result<access::Policy> {
    access::Policy::parse(&shown.text, shown.epoch).map_err(|error| {
        let remedy = "both sides must run the same version of lanyard";
        Error::new(Code::Failed, format!("the present policy cannot be read here: {error}"), remedy)
    })
}

fn unchanged(context: &Context, what: &str, rule: Option<&str>) -> Result {
    if context.printer.is_json() {
        return context.printer.json(&json!({ "changed": false, "rule": rule }));
    }
    context.printer.line(what)
}

/// Shows what would change, asks, and has it applied if nobody else has changed the policy meanwhile.
pub(super) async fn propose(context: &Context, shown: &PolicyShown, text: String, yes: bool) -> Result {
    let printer = &context.printer;
    diff::lines(&shown.text, &text).iter().for_each(|line| printer.say(line));
    if !yes {
        if !input::is_terminal() {
            return Err(Error::new(
                Code::Usage,
                "nobody can be asked whether to apply this: standard input is no terminal",
                "apply it without being asked: `--yes`",
            ));
        }
        if !input::confirm(printer, "apply this everywhere?").await? {
            let again = "nothing was changed; give the command again to be asked again";
            return Err(Error::new(Code::Failed, "it was not applied", again));
        }
    }
    let apply = ApplyPolicy { text, based_on: Some(shown.epoch) };
    let new: PolicyShown = context.client().put("/v1/policy", &apply).await?;
    applied(context, &new)
}

/// Who is meant: as a policy says it, or a bare name where only one kind has somebody of that name.
async fn subject(context: &Context, policy: &access::Policy, text: &str) -> Result<Subject> {
    let Ok(name) = text.parse::<NodeName>() else { return said(text) };
    if name.as_str() == Kind::Guest.as_str() {
        return said(text);
    }
    let mut named = policy.named(text);
    let client = context.client();
    let (peers, own): (Vec<Peer>, Status) = (client.get("/v1/peers").await?, client.get("/v1/status").await?);
    let nodes = peers.into_iter().filter_map(|peer| peer.name).chain(own.name);
    named.extend(
        nodes.filter(|node| *node == name).filter_map(|node| format!("node:{node}").parse::<Who>().ok()),
    );
    named.sort_unstable();
    named.dedup();
    match named.as_slice() {
        [one] => said(&one.to_string()),
        [] => Err(Error::new(
            Code::Usage,
            format!("nobody of the name {text} is known, so it is not clear what kind is meant"),
            format!("say it: user:{text}, role:{text}, node:{text}, entity:{text} or account:{text}"),
        )),
        several => {
            let names: Vec<String> = several.iter().map(ToString::to_string).collect();
            let what = format!("{text} may be {}", names.join(" or "));
            Err(Error::new(Code::Usage, what, format!("say which, as in {}", names[0])))
        }
    }
}

fn said(text: &str) -> Result<Subject> {
    text.parse().map_err(|error: access::NoWho| {
        Error::new(Code::Usage, error.to_string(), "a user at one node is ana@till")
    })
}

fn refused(context: &Context, error: &EditError, wanted: &PolicyEdit) -> Error {
    let remedy = match error {
        EditError::Broader(_) => {
            format!("nothing was changed; narrow that grant by hand: `{}`", context.command("policy edit"))
        }
        EditError::Useless { who, .. } => {
            format!("nothing was changed; give {who} the privilege: `{}`", context.command("policy edit"))
        }
        EditError::Policy(PolicyError::TooLong(_) | PolicyError::Line { .. }) => {
            format!("nothing was changed; see `{}`", context.command("policy show"))
        }
        EditError::Form => format!("do it by hand: `{}`", context.command("policy edit")),
    };
    let message = match error {
        EditError::Broader(_) => format!("{} may still use {}: {error}", wanted.who, wanted.service),
        EditError::Useless { .. } | EditError::Policy(_) | EditError::Form => error.to_string(),
    };
    Error::new(Code::Failed, message, remedy)
}
