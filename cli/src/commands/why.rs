//! `why`: how far one gets on the way to a service.

use lanyard_protocol::control::{AskWhy, Link, Walk};

use super::Context;
use crate::args;
use crate::error::{Error, Result};

/// `lanyard why`
pub(super) async fn why(context: &Context, why: args::Why) -> Result {
    let ask = AskWhy { service: why.service, from: why.from, user: why.user };
    let walk: Walk = context.client().post("/v1/why", &ask).await?;
    if context.printer.is_json() {
        context.printer.json(&walk)?;
    } else {
        walk.links.iter().try_for_each(|link| context.printer.line(&line(link)))?;
    }
    walk.error.map_or(Ok(()), |failure| Err(Error::Reported(failure)))
}

fn line(Link { link, ok, detail, .. }: &Link) -> String {
    let how = if *ok { "ok" } else { "fails" };
    format!("{:<13} {how:<6} {detail}", link.to_string())
}
