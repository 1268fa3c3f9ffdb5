//! A folder that is offered: its regular files are read, and nothing else happens to it.

mod confined;
pub(super) mod message;
mod shares;

use core::time::Duration;
use std::path::Path;

use lanyard_protocol::identity::NodeId;

use self::confined::{Inside, Listed};
use self::message::{PAGE, REQUEST_MAX, Refusal, Reply, Request, VERSION, Want};
pub(super) use self::shares::Shares;
use super::Exposure;
use crate::channel::{AnyWire, Sender};
use crate::lane::Session;
use crate::tools::content::{self, ContentError};
use crate::tools::frame;

/// How long a requester may take from the channel to its request, and from our last word to its close.
const PROMPT: Duration = Duration::from_secs(10);

/// Answers the one request of a channel.
pub(super) async fn serve(exposure: &Exposure, folder: &Path, session: Session) {
    let (peer, service) = (session.peer, session.service);
    let (mut to, mut from) = session.channel.split();
    let request = tokio::time::timeout(PROMPT, frame::recv::<_, Request, REQUEST_MAX>(&mut from)).await;
    let Ok(Ok(Some(request))) = request else {
        tracing::debug!(peer = %peer.short(), %service, "no request came");
        return;
    };
    let answered = tokio::select! {
        answered = answer(exposure, folder, peer, request, &mut to) => answered,
        // A requester has nothing more to say: it went away, or breaks the rules.
        () = gone(&mut from) => return,
    };
    match answered {
        Ok(()) => {
            if frame::close(&mut to).await.is_ok() {
                // Closing while the requester still reads would cut what is on its way.
                let _ = tokio::time::timeout(PROMPT, from.drain()).await;
            }
        }
        Err(error) => tracing::debug!(peer = %peer.short(), %service, %error, "not read to its end"),
    }
}

/// Waits until the requester says something, or is cut. That it has closed its direction means nothing.
async fn gone(from: &mut crate::channel::Receiver<AnyWire>) {
    if from.peek().await.is_ok_and(<[u8]>::is_empty) {
        core::future::pending::<()>().await;
    }
}

async fn answer(
    exposure: &Exposure,
    folder: &Path,
    peer: NodeId,
    request: Request,
    to: &mut Sender<AnyWire>,
) -> Result<(), ContentError> {
    let Some(_share) = exposure.shares.take(peer) else {
        return refuse(exposure, Refusal::Busy, to).await;
    };
    let folder = folder.to_owned();
    match request {
        Request { version: VERSION, want: Want::File { path } } => {
            let opened = blocking(move || confined::open(&folder, &inside(&path)?)).await?;
            match opened {
                Ok((file, size)) => {
                    frame::send(to, &Reply::File { size }).await?;
                    content::send(to, file, size, |bytes| exposure.tally.add_sent(bytes)).await.map(drop)
                }
                Err(refusal) => refuse(exposure, refusal, to).await,
            }
        }
        Request { version: VERSION, want: Want::List { path } } => {
            let listed = blocking(move || confined::list(&folder, &inside(&path)?)).await?;
            match listed {
                Ok(listed) => send_listing(listed, to).await,
                Err(refusal) => refuse(exposure, refusal, to).await,
            }
        }
        Request { .. } => refuse(exposure, Refusal::Version, to).await,
    }
}

fn inside(path: &str) -> Result<Inside, Refusal> {
    Inside::new(path).ok_or(Refusal::NoSuch)
}

async fn blocking<T: Send + 'static>(look: impl FnOnce() -> T + Send + 'static) -> Result<T, ContentError> {
    Ok(tokio::task::spawn_blocking(look).await?)
}

async fn refuse(exposure: &Exposure, why: Refusal, to: &mut Sender<AnyWire>) -> Result<(), ContentError> {
    exposure.count_refused();
    Ok(frame::send(to, &Reply::Refused(why)).await?)
}

async fn send_listing(listed: Listed, to: &mut Sender<AnyWire>) -> Result<(), ContentError> {
    let Listed { entries, more, left_out } = listed;
    for page in entries.chunks(PAGE) {
        frame::send(to, &Reply::Entries(page.to_vec())).await?;
    }
    Ok(frame::send(to, &Reply::Listed { more, left_out }).await?)
}
