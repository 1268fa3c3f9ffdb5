//! `peers`, `ping` and `whois`: who else is there.

use core::time::Duration;

use lanyard_protocol::control::{Code, Peer, PeerState, Pong};

use super::Context;
use crate::args;
use crate::client::segment;
use crate::error::{Error, Result};

/// The pause between two round trips, and between two looks at the peers.
const PAUSE: Duration = Duration::from_secs(1);

/// `lanyard peers`
pub(super) async fn peers(context: &Context, peers: args::Peers) -> Result {
    let mut tick = tokio::time::interval(PAUSE);
    let mut last: Option<Vec<Peer>> = None;
    loop {
        tick.tick().await;
        let seen: Vec<Peer> = context.client().get("/v1/peers").await?;
        if last.as_ref() != Some(&seen) {
            if last.is_some() && !context.printer.is_json() {
                context.printer.line("")?;
            }
            show(context, &seen)?;
        }
        if !peers.watch {
            return Ok(());
        }
        last = Some(seen);
    }
}

fn show(context: &Context, peers: &[Peer]) -> Result {
    if context.printer.is_json() {
        return context.printer.json(&peers);
    }
    let rows: Vec<Vec<String>> = peers.iter().map(row).collect();
    context.printer.table(&["NAME", "ID", "STATE", "RTT", "UNTIL", "ADDRESSES"], &rows)
}

fn row(peer: &Peer) -> Vec<String> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    vec![
        or_dash(peer.name.as_ref().map(ToString::to_string)),
        peer.id.short(),
        state(peer.state).to_owned(),
        or_dash(peer.rtt_ms.map(|rtt| format!("{rtt:.2} ms"))),
        or_dash(peer.not_after.map(|end| end.0.to_string())),
        addresses(peer),
    ]
}

fn addresses(peer: &Peer) -> String {
    peer.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

const fn state(state: PeerState) -> &'static str {
    match state {
        PeerState::Seen => "seen",
        PeerState::Certified => "certified",
        PeerState::Connected => "connected",
        PeerState::Expired => "expired",
        PeerState::Revoked => "revoked",
    }
}

/// `lanyard ping`
pub(super) async fn ping(context: &Context, ping: args::Ping) -> Result {
    if ping.count == 0 {
        return Err(Error::new(Code::Usage, "0 round trips measure nothing", "use `-c 1` or more"));
    }
    let mut tick = tokio::time::interval(PAUSE);
    for _ in 0..ping.count {
        tick.tick().await;
        let pong: Pong = context.client().post("/v1/ping", &serde_json::json!({ "peer": ping.peer })).await?;
        if context.printer.is_json() {
            context.printer.json(&pong)?;
        } else {
            context.printer.line(&format!("{} ({}): {:.2} ms", pong.name, pong.id.short(), pong.rtt_ms))?;
        }
    }
    Ok(())
}

/// `lanyard whois`
pub(super) async fn whois(context: &Context, whois: args::OnePeer) -> Result {
    let peer: Peer = context.client().get(&format!("/v1/whois/{}", segment(whois.peer.as_str()))).await?;
    if context.printer.is_json() {
        return context.printer.json(&peer);
    }
    let rows = [
        ("name", peer.name.as_ref().map(ToString::to_string)),
        ("id", Some(peer.id.to_string())),
        ("entity", peer.entity.as_ref().map(ToString::to_string)),
        ("state", Some(state(peer.state).to_owned())),
        ("until", peer.not_after.map(|end| end.0.to_string())),
        ("addresses", Some(addresses(&peer))),
    ];
    for (what, text) in rows {
        context.printer.line(&format!("{what:<12} {}", text.unwrap_or_else(|| "unknown".to_owned())))?;
    }
    Ok(())
}
