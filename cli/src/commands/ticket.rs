//! `ticket`: session tickets that this node holds or has minted.

use lanyard_protocol::control::{Code, Failure, RevokedTicket, Ticket, TicketKind};
use serde::Serialize;

use super::Context;
use crate::args;
use crate::client::segment;
use crate::error::{Error, Result};

/// `lanyard ticket`
pub(super) async fn ticket(context: &Context, ticket: args::Ticket) -> Result {
    let client = context.client();
    match ticket {
        args::Ticket::Get { service } => {
            let ticket: Ticket =
                client.post("/v1/tickets", &serde_json::json!({ "service": service })).await?;
            got(context, &ticket)
        }
        args::Ticket::List => list(context, &client.get::<Vec<Ticket>>("/v1/tickets").await?),
        args::Ticket::Show { id } => {
            show(context, &client.get(&format!("/v1/tickets/{}", segment(&id))).await?)
        }
        args::Ticket::Revoke { id } => {
            let path = format!("/v1/tickets/{}/revoke", segment(&id));
            revoked(context, &client.post(&path, &serde_json::json!({})).await?)
        }
    }
}

/// Standard output has the id and nothing else: scripts rely on it.
fn got(context: &Context, ticket: &Ticket) -> Result {
    if context.printer.is_json() {
        return context.printer.json(ticket);
    }
    context.printer.line(&ticket.id)?;
    context.printer.say(&format!("for {} at {} until {}", ticket.service, ticket.provider, ticket.expires.0));
    Ok(())
}

fn list(context: &Context, tickets: &[Ticket]) -> Result {
    if context.printer.is_json() {
        return context.printer.json(&tickets);
    }
    let row = |ticket: &Ticket| {
        vec![
            ticket.id.clone(),
            kind(ticket).to_owned(),
            format!("{}@{}", ticket.service, ticket.provider),
            requester(ticket),
            ticket.user.clone().unwrap_or_else(|| "-".to_owned()),
            if ticket.revoked { "revoked".to_owned() } else { ticket.expires.0.to_string() },
        ]
    };
    let rows: Vec<Vec<String>> = tickets.iter().map(row).collect();
    context.printer.table(&["ID", "KIND", "SERVICE", "FOR", "USER", "UNTIL"], &rows)
}

fn show(context: &Context, ticket: &Ticket) -> Result {
    if context.printer.is_json() {
        return context.printer.json(ticket);
    }
    let rows = [
        ("id", ticket.id.clone()),
        ("kind", kind(ticket).to_owned()),
        ("service", ticket.service.to_string()),
        ("provider", ticket.provider.clone()),
        ("for", requester(ticket)),
        ("user", ticket.user.clone().unwrap_or_else(|| "the node itself".to_owned())),
        ("valid from", ticket.not_before.0.to_string()),
        ("until", ticket.expires.0.to_string()),
        ("revoked", if ticket.revoked { "yes" } else { "no" }.to_owned()),
    ];
    rows.iter().try_for_each(|(what, text)| context.printer.line(&format!("{what:<12} {text}")))
}

const fn kind(ticket: &Ticket) -> &'static str {
    match ticket.kind {
        TicketKind::Held => "held",
        TicketKind::Minted => "minted",
    }
}

fn requester(ticket: &Ticket) -> String {
    ticket.requester.clone().unwrap_or_else(|| "-".to_owned())
}

/// What scripts read: the ticket, and why the command has failed all the same.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    revoked: &'a RevokedTicket,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Failure>,
}

fn revoked(context: &Context, revoked: &RevokedTicket) -> Result {
    let failure = (!revoked.confirmed).then(|| untold(&revoked.ticket));
    if context.printer.is_json() {
        context.printer.json(&Report { revoked, error: failure.as_ref() })?;
    } else {
        tell(context, revoked);
    }
    failure.map_or(Ok(()), |failure| Err(Error::Reported(failure)))
}

fn tell(context: &Context, RevokedTicket { ticket, confirmed }: &RevokedTicket) {
    let what = match ticket.kind {
        TicketKind::Held => "is erased here".to_owned(),
        TicketKind::Minted => {
            format!("opens nothing for {} any more, and its channels end", requester(ticket))
        }
    };
    context.printer.say(&format!("the ticket for {} at {} {what}", ticket.service, ticket.provider));
    if ticket.kind == TicketKind::Held && *confirmed {
        context.printer.say(&format!("{} refuses it from now on, and its channels end", ticket.provider));
    }
}

fn untold(ticket: &Ticket) -> Failure {
    Failure::new(
        Code::Unreachable,
        format!("{} could not be told: there a copy is good until {}", ticket.provider, ticket.expires.0),
        format!("if somebody may have one, run `lanyard ticket revoke {}` on {}", ticket.id, ticket.provider),
    )
}
