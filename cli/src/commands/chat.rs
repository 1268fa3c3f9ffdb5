//! `chat`: a conversation with a peer, one line for each message.

use lanyard_protocol::control::{ChatLine, ChatSend, ChatSent, ChatState, PeerRef};

use super::Context;
use crate::args;
use crate::client::{Client, segment};
use crate::error::{Error, Result};
use crate::input;

/// How many messages `--log` asks for: as many as a node tells.
const LOG_LIMIT: u32 = 1_000;

/// `lanyard chat`
pub(super) async fn chat(context: &Context, chat: args::Chat) -> Result {
    let client = context.client();
    if chat.log {
        return log(context, &client, &chat.peer).await;
    }
    if let Some(text) = chat.message {
        let sent = send(&client, &chat.peer, text).await?;
        return said(context, &chat.peer, &sent);
    }
    converse(context, &client, &chat.peer).await
}

async fn send(client: &Client, peer: &PeerRef, text: String) -> Result<ChatSent> {
    client.post("/v1/chat", &ChatSend { peer: peer.clone(), text }).await
}

fn said(context: &Context, peer: &PeerRef, sent: &ChatSent) -> Result {
    if context.printer.is_json() {
        return context.printer.json(sent);
    }
    match sent.state {
        ChatState::Delivered => context.printer.say("delivered"),
        ChatState::Queued | ChatState::Received => {
            context.printer.say(&format!("queued: {peer} gets it when it is back"));
        }
    }
    Ok(())
}

async fn log(context: &Context, client: &Client, peer: &PeerRef) -> Result {
    let path = format!("/v1/chat?peer={}&limit={LOG_LIMIT}", segment(peer.as_str()));
    let lines: Vec<ChatLine> = client.get(&path).await?;
    if context.printer.is_json() {
        return context.printer.json(&lines);
    }
    lines.iter().try_for_each(|line| context.printer.line(&shown(line)))
}

/// Prints what comes in and sends what is typed, until the input ends.
async fn converse(context: &Context, client: &Client, peer: &PeerRef) -> Result {
    let path = format!("/v1/chat/events?peer={}", segment(peer.as_str()));
    let mut events = client.events::<ChatLine>(&path).await?;
    if input::is_terminal() {
        context.printer.say(&format!("with {peer}; Ctrl-D ends"));
    }
    let typed = type_to(context, client, peer);
    tokio::pin!(typed);
    loop {
        tokio::select! {
            ended = &mut typed => return ended,
            event = events.next() => match event? {
                Some(line) if line.state == ChatState::Received => incoming(context, &line)?,
                Some(_) => {}
                None => return Err(Error::new(
                    lanyard_protocol::control::Code::NotRunning,
                    "the node has stopped",
                    format!("start it with `{}`", context.command("up -d")),
                )),
            },
        }
    }
}

async fn type_to(context: &Context, client: &Client, peer: &PeerRef) -> Result {
    while let Some(text) = input::line().await? {
        if text.is_empty() {
            continue;
        }
        let sent = send(client, peer, text).await?;
        if sent.state == ChatState::Queued {
            context.printer.say(&format!("queued: {peer} gets it when it is back"));
        }
    }
    Ok(())
}

fn incoming(context: &Context, line: &ChatLine) -> Result {
    if context.printer.is_json() { context.printer.json(line) } else { context.printer.line(&shown(line)) }
}

fn shown(line: &ChatLine) -> String {
    let state = if line.state == ChatState::Queued { " (queued)" } else { "" };
    format!("{} {}: {}{state}", line.at.0, line.from, line.text)
}
