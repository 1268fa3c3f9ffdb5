//! `admission`, `requests`, `approve` and `deny`: how strangers get in, and who asks to.

use lanyard_protocol::control::{
    AddGuid, Admission as Rule, AdmissionStatus, Code, GuidRow, Mode, RequestRow, SetPassword,
};
use lanyard_protocol::time::Timestamp;
use serde_json::json;

use super::Context;
use crate::args::{Admission, Approve, Deny, GuidList, NewPassword};
use crate::client::segment;
use crate::error::{Error, Result};
use crate::{host, input};

/// `lanyard admission`
pub(super) async fn admission(context: &Context, admission: Admission) -> Result {
    let client = context.client();
    let status: AdmissionStatus = match admission {
        Admission::Show => client.get("/v1/admission").await?,
        Admission::Set { rule } => client.put("/v1/admission", &json!({ "admission": rule })).await?,
        Admission::Password(new) => return password(context, new).await,
        Admission::Guid(list) => return guid(context, list).await,
    };
    show(context, &status)
}

async fn password(context: &Context, new: NewPassword) -> Result {
    let client = context.client();
    // Nobody types a password for a node that is not there.
    if !client.is_running().await? {
        let _: AdmissionStatus = client.get("/v1/admission").await?;
    }
    let password =
        input::password(&context.printer, new.password_file.as_deref(), input::NETWORK_PASSWORD, true)
            .await?;
    let set = SetPassword { password, weak: new.weak };
    let status: AdmissionStatus = client.put("/v1/admission/password", &set).await?;
    if !context.printer.is_json() && !status.admission.mentions(Mode::Password) {
        let set = context.command("admission set EXPR");
        context.printer.say(&format!("the rule asks for no password yet: `{set}`"));
    }
    show(context, &status)
}

fn show(context: &Context, status: &AdmissionStatus) -> Result {
    let printer = &context.printer;
    if printer.is_json() {
        return printer.json(status);
    }
    let password = match &status.password {
        None => "none".to_owned(),
        Some(password) => {
            let locked = if password.locked { ", locked" } else { "" };
            format!("set {}, {} wrong within a day{locked}", password.since.0, password.wrong)
        }
    };
    for (what, text) in [
        ("admission", status.admission.to_string()),
        ("password", password),
        ("guids", status.guids.to_string()),
        ("invites", status.invites.to_string()),
        ("requests", status.requests.to_string()),
    ] {
        printer.line(&format!("{what:<12} {text}"))?;
    }
    if status.password.is_some_and(|password| password.locked) {
        let again = context.command("admission password");
        printer.stress(&format!("the password was guessed wrongly too often: set it again with `{again}`"));
    }
    hints(context, status.admission).iter().for_each(|hint| printer.say(hint));
    Ok(())
}

/// What to do so that somebody gets in by `rule`.
pub(super) fn hints(context: &Context, rule: Rule) -> Vec<String> {
    let mut hints = Vec::new();
    let mut hint = |what: &str, command: String| hints.push(format!("{what:<21} {command}"));
    if rule.mentions(Mode::Guid) {
        hint("put a machine down:", context.command("admission guid add GUID"));
    }
    if rule.mentions(Mode::Invite) || rule.mentions(Mode::Password) {
        hint("let another node in:", context.command("invite"));
    }
    if !rule.mentions(Mode::Invite) {
        hint("on another machine:", "lanyard join".to_owned());
    }
    if rule.mentions(Mode::Approval) {
        hint("see who asks:", context.command("requests"));
    }
    hints
}

async fn guid(context: &Context, list: GuidList) -> Result {
    let client = context.client();
    let path = "/v1/admission/guids";
    let rows: Vec<GuidRow> = match list {
        GuidList::Add { guid, name } => client.post(path, &AddGuid { guid, name }).await?,
        GuidList::List => client.get(path).await?,
        GuidList::Remove { guid } => {
            let rows: Vec<GuidRow> = client.get(path).await?;
            let called = rows.iter().find(|row| row.name.as_ref().is_some_and(|name| name.as_str() == guid));
            let row = match called {
                Some(row) => row,
                None => the_one(&rows, &guid, |row| row.guid.to_string(), "machine", "admission guid list")?,
            };
            client.delete(&format!("{path}/{}", row.guid)).await?
        }
    };
    let printer = &context.printer;
    if printer.is_json() {
        return printer.json(&rows);
    }
    let row = |row: &GuidRow| {
        let name = row.name.as_ref().map(ToString::to_string).unwrap_or_default();
        let node = row.node.map(|node| node.to_string()).unwrap_or_default();
        vec![row.guid.to_string(), name, row.added.0.to_string(), node]
    };
    printer.table(&["GUID", "NAME", "ADDED", "JOINED AS"], &rows.iter().map(row).collect::<Vec<_>>())
}

/// `lanyard requests`
pub(super) async fn requests(context: &Context) -> Result {
    let waiting: Vec<RequestRow> = context.client().get("/v1/requests").await?;
    let printer = &context.printer;
    if printer.is_json() {
        return printer.json(&waiting);
    }
    let now = host::now();
    let rows: Vec<Vec<String>> = waiting.iter().map(|request| row(request, now)).collect();
    printer.table(&["ID", "NAME", "FROM", "WORDS", "AGE", "BY", "REPLACES", "DECIDED"], &rows)?;
    if waiting.iter().any(|request| request.approved.is_none()) {
        let approve = context.command("approve ID");
        printer.say(&format!("compare the words with the other screen, then `{approve}`"));
    }
    Ok(())
}

fn row(request: &RequestRow, now: Timestamp) -> Vec<String> {
    let decided = match request.approved {
        None => "",
        Some(true) => "approved",
        Some(false) => "denied",
    };
    vec![
        request.id.clone(),
        request.name.to_string(),
        request.address.to_string(),
        request.words.clone(),
        age(request.since.0, now),
        request.by.clone(),
        request.replaces.map(|node| node.to_string().chars().take(12).collect()).unwrap_or_default(),
        decided.to_owned(),
    ]
}

/// How long ago something was, in the largest unit that fits.
fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_millis().saturating_sub(since.as_millis()) / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// `lanyard approve`
pub(super) async fn approve(context: &Context, approve: Approve) -> Result {
    let request = find(context, &approve.id).await?;
    let printer = &context.printer;
    if !approve.yes {
        if !input::is_terminal() {
            return Err(Error::new(
                Code::Usage,
                "the words have to be compared, and nobody can be asked: standard input is no terminal",
                "give the command on a terminal, or say that they are the same: `--yes`",
            ));
        }
        printer.say(&format!("{} wants to be let in, from {}", request.name, request.address));
        printer.say(&format!("its id      {}", request.node));
        if let Some(node) = &request.replaces {
            printer.stress(&format!("it takes the name of {node}, which loses its place"));
        }
        printer.stress(&format!("the words   {}", request.words));
        let question = format!("{}: do the same words stand on its screen?", request.words);
        if !input::confirm(printer, &question).await? {
            return Err(Error::new(
                Code::Denied,
                format!("{} was not let in, and goes on waiting", request.name),
                format!("turn it away: `{}`", context.command(&format!("deny {}", request.id))),
            ));
        }
    }
    decide(context, &request, true).await
}

/// `lanyard deny`
pub(super) async fn deny(context: &Context, deny: Deny) -> Result {
    let request = find(context, &deny.id).await?;
    decide(context, &request, false).await
}

async fn find(context: &Context, id: &str) -> Result<RequestRow> {
    let waiting: Vec<RequestRow> = context.client().get("/v1/requests").await?;
    the_one(&waiting, id, |request| request.id.clone(), "request", "requests").cloned()
}

async fn decide(context: &Context, request: &RequestRow, approve: bool) -> Result {
    let path = format!("/v1/requests/{}", segment(&request.id));
    let decided: RequestRow = context.client().post(&path, &json!({ "approve": approve })).await?;
    let printer = &context.printer;
    if printer.is_json() {
        return printer.json(&decided);
    }
    let name = &decided.name;
    if approve {
        printer
            .say(&format!("{name} is let in once its own user has found the same words: {}", decided.words));
    } else {
        printer.say(&format!("{name} is turned away"));
    }
    Ok(())
}

/// The one of `items` whose id is `text` or begins so.
fn the_one<'a, T>(
    items: &'a [T],
    text: &str,
    id: impl Fn(&T) -> String,
    what: &str,
    list: &str,
) -> Result<&'a T> {
    let remedy = format!("see which there are: `lanyard {list}`");
    let mut fitting = items.iter().filter(|item| !text.is_empty() && id(item).starts_with(text));
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Error::new(Code::NotFound, format!("no {what} begins with {text:?}"), remedy)),
        (Some(one), Some(other)) => Err(Error::new(
            Code::Usage,
            format!("{text:?} begins several: {} and {}", id(one), id(other)),
            "give more of it",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_one_unit() {
        let now = Timestamp::from_secs(1_000_000);
        for (ago, text) in
            [(0, "0s"), (59, "59s"), (60, "1m"), (3599, "59m"), (3600, "1h"), (86_399, "23h"), (86_400, "1d")]
        {
            assert_eq!(age(Timestamp::from_secs(1_000_000 - ago), now), text);
        }
        assert_eq!(age(Timestamp::from_secs(1_000_001), now), "0s", "a clock that was set back");
    }

    #[test]
    fn an_id_is_named_by_its_beginning_if_only_one_has_it() {
        let ids = ["0a1b", "0a2b", "1111"];
        let find = |text| the_one(&ids, text, ToString::to_string, "request", "requests").ok().copied();
        assert_eq!(find("0a1"), Some("0a1b"));
        assert_eq!(find("1"), Some("1111"));
        assert_eq!(find("0a2b"), Some("0a2b"));
        for none in ["0a", "", "2", "11112"] {
            assert_eq!(find(none), None, "{none:?}");
        }
    }
}
