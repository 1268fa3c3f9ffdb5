//! `ticket`: session tickets that this node holds.

use lanyard_protocol::control::Ticket;

use super::Context;
use crate::args;
use crate::client::segment;
use crate::error::Result;

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
            format!("{}@{}", ticket.service, ticket.provider),
            ticket.user.clone().unwrap_or_else(|| "-".to_owned()),
            ticket.expires.0.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = tickets.iter().map(row).collect();
    context.printer.table(&["ID", "SERVICE", "USER", "UNTIL"], &rows)
}

fn show(context: &Context, ticket: &Ticket) -> Result {
    if context.printer.is_json() {
        return context.printer.json(ticket);
    }
    let rows = [
        ("id", ticket.id.clone()),
        ("service", ticket.service.to_string()),
        ("provider", ticket.provider.to_string()),
        ("user", ticket.user.clone().unwrap_or_else(|| "the node itself".to_owned())),
        ("valid from", ticket.not_before.0.to_string()),
        ("until", ticket.expires.0.to_string()),
    ];
    rows.iter().try_for_each(|(what, text)| context.printer.line(&format!("{what:<12} {text}")))
}
