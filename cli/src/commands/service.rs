//! `expose`, `unexpose`, `service` and `forward`: TCP ports and folders of one host, used from another.

use std::path::Path;

use lanyard_protocol::control::{
    Code, Expose, Exposed, Forward, ForwardEvent, GuestPassword, GuestStatus, HostPort, Password, ServiceRef,
    Target,
};

use super::{Context, file};
use crate::args;
use crate::client::segment;
use crate::error::{Error, Result};
use crate::input;
use crate::progress::size;

/// `lanyard expose`
pub(super) async fn expose(context: &Context, expose: args::Expose) -> Result {
    let target = match expose.target.parse::<HostPort>() {
        Ok(target) => Target::Tcp(target),
        Err(_) => Target::Folder(file::absolute(expose.target.as_ref())?),
    };
    let guest = match expose.guest {
        false => None,
        true => {
            let password = password(context, expose.password_file.as_deref(), true).await?;
            Some(GuestPassword { password, weak: expose.weak })
        }
    };
    let wanted = Expose { name: expose.name, target, guest };
    let exposed: Exposed = context.client().post("/v1/services", &wanted).await?;
    if context.printer.is_json() {
        return context.printer.json(&exposed);
    }
    say_what_is_next(context, &exposed);
    Ok(())
}

/// The password of a service's guests.
async fn password(context: &Context, file: Option<&Path>, is_new: bool) -> Result<Password> {
    let client = context.client();
    // Nobody types a password for a node that is not there.
    if !client.is_running().await? {
        let _: Vec<Exposed> = client.get("/v1/services").await?;
    }
    input::password(&context.printer, file, "the service's password", is_new).await
}

fn say_what_is_next(context: &Context, Exposed { name, target, provider, guests, .. }: &Exposed) {
    let printer = &context.printer;
    printer.say(&format!("{name} stands for {target}, now and after every start"));
    let Some(provider) = provider else {
        return printer.say("this node is no member of a network yet, so nobody can use it");
    };
    let using = match target {
        Target::Tcp(_) => format!("lanyard forward {name}@{provider}"),
        Target::Folder(_) => format!("lanyard get {name}@{provider}/"),
    };
    printer.say(&format!("on another machine: `{using}`"));
    printer
        .say(&format!("policy says who may; on the authority: `lanyard policy allow WHO {name}@{provider}`"));
    let Some(guests) = guests else { return };
    let using = format!("lanyard forward {name}@{provider} --guest --password-file F");
    if guests.granted {
        printer.say(&format!("whoever knows the password may, without a certificate: `{using}`"));
    } else {
        printer.say(&format!(
            "whoever knows the password may, without a certificate, once policy grants it to guests: \
             `lanyard policy allow guest {name}@{provider}`, then there `{using}`"
        ));
    }
}

/// `lanyard unexpose`
pub(super) async fn unexpose(context: &Context, unexpose: args::Unexpose) -> Result {
    let path = format!("/v1/services/{}", segment(unexpose.name.as_str()));
    let was: Exposed = context.client().delete(&path).await?;
    if context.printer.is_json() {
        return context.printer.json(&was);
    }
    let open = if was.open == 0 { String::new() } else { format!(", and its {} channels end", was.open) };
    context.printer.say(&format!("{} is not exposed any more{open}", was.name));
    Ok(())
}

/// `lanyard service`
pub(super) async fn service(context: &Context, service: args::Service) -> Result {
    match service {
        args::Service::List => list(context).await,
    }
}

async fn list(context: &Context) -> Result {
    let exposed: Vec<Exposed> = context.client().get("/v1/services").await?;
    if context.printer.is_json() {
        return context.printer.json(&exposed);
    }
    let row = |service: &Exposed| {
        vec![
            service.name.to_string(),
            service.target.to_string(),
            service.open.to_string(),
            service.opened.to_string(),
            service.refused.to_string(),
            size(service.received),
            size(service.sent),
            guests(service.guests.as_ref()),
        ]
    };
    let rows: Vec<Vec<String>> = exposed.iter().map(row).collect();
    context.printer.table(&["NAME", "TARGET", "OPEN", "OPENED", "REFUSED", "IN", "OUT", "GUESTS"], &rows)
}

/// How a service stands with guests.
fn guests(guests: Option<&GuestStatus>) -> String {
    match guests {
        None => "-".to_owned(),
        Some(guests) if !guests.granted => "not granted".to_owned(),
        Some(GuestStatus { rests_s: Some(rest), .. }) => format!("rests {} min", rest.div_ceil(60)),
        Some(GuestStatus { wrong: 0, .. }) => "by password".to_owned(),
        Some(GuestStatus { wrong, .. }) => format!("by password, {wrong} wrong"),
    }
}

/// `lanyard forward`: until interrupted.
pub(super) async fn forward(context: &Context, forward: args::Forward) -> Result {
    let args::Forward { service, listen, guest, password_file } = forward;
    let guest = match guest {
        false => None,
        true => Some(password(context, password_file.as_deref(), false).await?),
    };
    let (client, printer) = (context.client(), &context.printer);
    if !listen.ip().is_loopback() {
        let warning = format!("warning: whoever reaches {listen} uses {service} by this node's ticket");
        printer.stress(&warning);
    }
    let wanted = Forward { service: service.clone(), listen, guest };
    let asked = client.post_events::<ForwardEvent>("/v1/forward", &wanted);
    let mut events = client.in_time(asked).await?;
    let mut last = String::new();
    while let Some(event) = events.next().await? {
        if printer.is_json() {
            printer.json(&event)?;
        }
        match event {
            ForwardEvent::Listening { address, provider } => {
                if !printer.is_json() {
                    printer.line(&format!("listening on {address}"))?;
                }
                printer.say(&format!(
                    "each connection goes to {} at {provider}; Ctrl-C ends it",
                    service.service
                ));
            }
            // Said once: a program that connects again and again would say it for ever.
            ForwardEvent::Refused(failure) if failure.message != last => {
                printer.complaint(&failure);
                last = failure.message;
            }
            ForwardEvent::Refused(_) => {}
            ForwardEvent::Failed(failure) => return Err(failure.into()),
        }
    }
    Err(ended(&service))
}

fn ended(service: &ServiceRef) -> Error {
    let message = format!("the node stopped, and {service} is forwarded no longer");
    Error::new(Code::Failed, message, "see whether it runs: `lanyard status`")
}
