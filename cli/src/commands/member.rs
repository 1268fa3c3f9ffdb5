//! `init`, `join` and `invite`: how a network begins and grows.

use lanyard_protocol::control::{Code, Init, Initialised, Invite, InviteRequest, Join, Joined, Mode, Modes};
use lanyard_protocol::identity::{Fingerprint, NameError, NetworkName, NodeName};

use super::compare::{Person, Request};
use super::{Context, Signals, admission, compare, node};
use crate::args::{self, Showing};
use crate::error::{Error, Result};
use crate::host::{Anywhere, Joiner};
use crate::input;

/// `lanyard init`
pub(super) async fn init(context: &Context, init: args::Init) -> Result {
    let name = init.name.map_or_else(hostname, Ok)?;
    let network = match init.network {
        Some(network) => network,
        None => ask_network(context).await?,
    };
    let anywhere = Anywhere::find(&context.state, &context.client()).await?;
    let running = matches!(anywhere, Anywhere::Running(_));
    let args::NewPassword { password_file, weak } = init.password;
    let password = if password_file.is_some() || init.admission.mentions(Mode::Password) {
        Some(input::password(&context.printer, password_file.as_deref(), input::NETWORK_PASSWORD, true).await)
    } else {
        None
    };
    let done = match password.transpose() {
        Ok(password) => {
            let (admission, require_login) = (init.admission, init.require_login);
            anywhere.init(Init { network, name, admission, password, weak, require_login }).await
        }
        Err(error) => Err(error),
    };
    anywhere.close().await;
    say_initialised(context, &done?, running)
}

async fn ask_network(context: &Context) -> Result<NetworkName> {
    let default = format!("{}.lan", hostname()?);
    let answer = if input::is_terminal() {
        input::ask(&context.printer, "the network's name", &default).await?
    } else {
        default
    };
    answer.parse().map_err(|error: NameError| bad_name(&error))
}

fn say_initialised(context: &Context, done: &Initialised, running: bool) -> Result {
    let printer = &context.printer;
    if printer.is_json() {
        return printer.json(done);
    }
    printer.say(&format!("{} is the authority of {}", done.name, done.network));
    printer.say(&format!("fingerprint {}", groups(&done.fingerprint)));
    if !running {
        printer.say(&format!("run it:               {}", context.command("up -d")));
    }
    if done.admission.allows(Modes::of(&[Mode::Open])) {
        printer.stress("anybody on the local network gets in without being asked");
    }
    admission::hints(context, done.admission).iter().for_each(|hint| printer.say(hint));
    Ok(())
}

/// `lanyard join`
pub(super) async fn join(context: &Context, join: args::Join) -> Result {
    let person = Person::new(context);
    if join.up && !context.client().is_running().await? {
        // A node that runs ends well when it is interrupted.
        return ask_to_join(context, join, &person).await;
    }
    let mut signals = Signals::new()?;
    let told = tokio::select! {
        ended = ask_to_join(context, join, &person) => return ended,
        () = signals.next() => person.interrupted(),
    };
    Err(told)
}

async fn ask_to_join(context: &Context, join: args::Join, person: &Person<'_>) -> Result {
    let (client, yes) = (context.client(), join.showing.yes);
    let running = client.is_running().await?;
    let invited = join.invite.is_some();
    let wish = wish(context, join.invite, join.showing, join.name, join.network).await?;
    if join.up && !running {
        return node::stay(context, &args::Up::default(), Some(wish)).await;
    }
    let anywhere = Anywhere::find(&context.state, &client).await?;
    let node = anywhere.joiner();
    let joined = client.in_time(async {
        match compare::join(context, node, wish, person).await {
            // The node that runs may be waiting to be let in already.
            Err(Error::Failure(failure))
                if failure.code == Code::Failed
                    && running
                    && !invited
                    && Request::of(&node.status().await?).is_some() =>
            {
                compare::pick_up(context, node, yes, person).await
            }
            other => other,
        }
    });
    let joined = joined.await;
    if !running && !invited && matches!(&joined, Err(Error::Failure(refusal)) if refusal.code == Code::Denied)
    {
        say_guid(context, node).await;
    }
    anywhere.close().await;
    let joined = joined?;
    if context.printer.is_json() {
        context.printer.json(&joined)?;
    }
    say_joined(context, &joined);
    if !running {
        context.printer.say(&format!("run the node:  {}", context.command("up -d")));
    }
    Ok(())
}

/// Says what would be put on the authority's list: with the node of this command goes who could say it.
async fn say_guid(context: &Context, node: Joiner<'_>) {
    if let Ok(Some(guid)) = node.status().await.map(|status| status.guid) {
        context.printer.say(&format!("this machine's guid in that network is {guid}"));
    }
}

/// What a node asks of an authority: what it was given is read, in the order in which it may be piped in.
pub(super) async fn wish(
    context: &Context,
    invite: Option<String>,
    showing: Showing,
    name: Option<NodeName>,
    network: Option<NetworkName>,
) -> Result<Join> {
    let Showing { password_file, trust_first, yes, replace } = showing;
    let invite = match &invite {
        Some(invite) => Some(input::secret(invite).await?),
        None => None,
    };
    let password = if password_file.is_some() || trust_first {
        Some(
            input::password(&context.printer, password_file.as_deref(), input::NETWORK_PASSWORD, false)
                .await?,
        )
    } else {
        None
    };
    let name = name.map_or_else(hostname, Ok)?;
    Ok(Join { password, trust_first, yes, replace, ..Join::new(invite, name, network) })
}

/// Says what came of joining; a network that was trusted at first sight is told loudly.
pub(super) fn say_joined(context: &Context, joined: &Joined) {
    let printer = &context.printer;
    printer.say(&format!("{} is a member of {} until {}", joined.name, joined.network, joined.not_after.0));
    if !joined.pinned {
        printer.stress(
            "the network was trusted at first sight: whoever answered first may have been an impostor",
        );
        printer.stress(&format!("its fingerprint is {}", groups(&joined.fingerprint)));
        printer.stress("compare it with what `lanyard ca show` says on the authority");
    }
}

/// `lanyard invite`
pub(super) async fn invite(context: &Context, invite: args::Invite) -> Result {
    let request = InviteRequest { uses: invite.uses, ttl_s: invite.ttl.as_secs() };
    let made: Invite = context.client().post("/v1/invites", &request).await?;
    let printer = &context.printer;
    if printer.is_json() {
        return printer.json(&made);
    }
    if invite.qr {
        printer.raw(&qr(&made.uri)?)?;
    } else {
        printer.line(if invite.uri { &made.uri } else { &made.code })?;
    }
    let argument = if invite.uri || invite.qr { format!("'{}'", made.uri) } else { made.code };
    printer.say(&format!("on the other machine: `lanyard join {argument}`"));
    printer.say(&format!("good until {}, {}", made.expires.0, uses(made.uses)));
    Ok(())
}

fn uses(uses: u32) -> String {
    if uses == 1 { "once".to_owned() } else { format!("{uses} times") }
}

fn qr(uri: &str) -> Result<String> {
    let code = qrcode::QrCode::new(uri).map_err(|error| {
        Error::new(Code::Failed, format!("the URI fits no QR code: {error}"), "use `lanyard invite --uri`")
    })?;
    let rendered = code.render::<qrcode::render::unicode::Dense1x2>().build();
    Ok(format!("{rendered}\n"))
}

/// A fingerprint as people compare it: in groups of four digits.
pub(super) fn groups(fingerprint: &Fingerprint) -> String {
    let text = fingerprint.to_string();
    let mut shown = String::with_capacity(text.len() * 5 / 4);
    for (at, digit) in text.chars().enumerate() {
        if at > 0 && at % 4 == 0 {
            shown.push(' ');
        }
        shown.push(digit);
    }
    shown
}

/// The host's name as a node's.
fn hostname() -> Result<NodeName> {
    let uname = rustix::system::uname();
    label(&uname.nodename().to_string_lossy()).parse().map_err(|error: NameError| bad_name(&error))
}

/// The first label of a host's name with everything that a node's name cannot have replaced.
fn label(hostname: &str) -> String {
    let first = hostname.split('.').next().unwrap_or_default().to_lowercase();
    let plain = |character: char| if character.is_ascii_alphanumeric() { character } else { '-' };
    let label: String = first.chars().map(plain).take(63).collect();
    let label = label.trim_matches('-');
    if label.is_empty() {
        return "node".to_owned();
    }
    // As containers are called: such a name would be refused.
    if label.parse().is_ok_and(|name: NodeName| name.is_like_an_id()) {
        return format!("node-{label}").chars().take(63).collect();
    }
    label.to_owned()
}

fn bad_name(error: &NameError) -> Error {
    Error::new(Code::Usage, error.to_string(), "choose another name: `--name NODE`, `lanyard init NETWORK`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hostname_makes_a_node_name() {
        for (hostname, name) in [
            ("till-3", "till-3"),
            ("Till.Shop.example", "till"),
            ("ana's_laptop", "ana-s-laptop"),
            ("-x-", "x"),
            ("", "node"),
            (".lan", "node"),
            ("日本", "node"),
            ("(none)", "none"),
            ("4f9c1b2a77de", "node-4f9c1b2a77de"),
            ("cafe", "cafe"),
        ] {
            assert_eq!(label(hostname), name, "{hostname}");
            assert!(label(hostname).parse::<NodeName>().is_ok(), "{hostname}");
        }
        for long in ["x".repeat(62) + "-y", "a".repeat(63)] {
            assert!(label(&long).parse().is_ok_and(|name: NodeName| !name.is_like_an_id()), "{long}");
        }
    }

    #[test]
    fn draws_a_uri_as_a_qr_code() {
        let uri = format!(
            "lanyard://[fe80::1]:4610,192.168.7.20:4610/shop.lan?root={}&invite={}",
            "a".repeat(64),
            "b".repeat(32)
        );
        let drawn = qr(&uri).unwrap();
        assert!(drawn.lines().count() > 10 && drawn.ends_with('\n'));
    }
}
