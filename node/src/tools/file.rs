//! Files from one node to another: the receiver decides, and what it keeps is verified and durable.
//!
//! The sender offers a name and a size and waits; an offer stands in a bounded table ([`offers`]) until a person or a
//! rule decides. Then the bytes flow through buffers that are read, hashed and encrypted where they lie, on either
//! side in two threads: one for the disk and the hash, one for the channel. What [`message`] calls `Stored` comes
//! only after size and hash were checked and file and folder were synced ([`inbox`]).

mod inbox;
pub mod message;
mod name;
mod offers;
mod progress;
mod receive;
mod send;

use core::time::Duration;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::tasks::Tasks;
use lanyard_protocol::control::{Code, Decide, Failure, PeerRef, Pending, TransferEvent};
use lanyard_protocol::identity::ServiceName;
use tokio::sync::mpsc;

use self::inbox::Inbox;
pub use self::name::{NameError, SafeName, safe_name};
use self::offers::{Offers, Verdict};
use crate::handle::Handle;
use crate::lane::Services;

/// How long an offer stands.
pub const DECISION_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// How many events a slow listener may be behind: progress it misses, ends it waits for.
const EVENTS: usize = 32;

/// The file transfers of this node.
pub struct Files {
    handle: Handle,
    offers: Offers,
    inbox: Option<PathBuf>,
    tasks: Tasks,
}

impl Files {
    /// Serves `file` until the node stops. Offers that are accepted where nobody receives go into `inbox`;
    /// nothing is taken without a decision.
    #[must_use]
    pub(crate) fn start(
        handle: Handle,
        services: &Services,
        inbox: Option<PathBuf>,
        tasks: Tasks,
    ) -> Arc<Self> {
        let files = Arc::new(Self { handle, offers: Offers::new(), inbox, tasks });
        let serving = Arc::clone(&files);
        services.serve(service(), move |session| Arc::clone(&serving).take_offer(session));
        files
    }

    /// The offers that wait for a decision, as [`TransferEvent::Offer`].
    #[must_use]
    pub fn offers(&self) -> Vec<TransferEvent> {
        self.offers.list().iter().map(offers::Offered::to_event).collect()
    }

    /// The offers that wait for a decision, for the node's status.
    #[must_use]
    pub fn pending(&self) -> Vec<Pending> {
        self.offers.list().iter().map(offers::Offered::to_pending).collect()
    }

    /// Decides on the offer `id`. It goes where whoever was shown it receives, otherwise into the inbox.
    ///
    /// # Errors
    /// What the user is told: no such offer, nowhere to put the file.
    pub async fn decide(self: &Arc<Self>, id: &str, decision: Decide) -> Result<(), Failure> {
        if !decision.accept {
            return self.offers.settle(id, Verdict::Decline).then_some(()).ok_or_else(|| no_offer(id));
        }
        if self.offers.accept_where_shown(id)? {
            return Ok(());
        }
        let path = self.inbox.clone().ok_or_else(nobody_receives)?;
        let inbox = open_inbox(path).await?;
        let (events, mut ignored) = mpsc::channel(EVENTS);
        let taken = self.offers.settle(id, Verdict::Take { inbox, events });
        self.tasks.spawn(async move { while ignored.recv().await.is_some() {} });
        taken.then_some(()).ok_or_else(|| no_offer(id))
    }
}

#[expect(clippy::expect_used, reason = "a constant label")]
fn service() -> ServiceName {
    "file".parse().expect("a label")
}

async fn open_inbox(path: PathBuf) -> Result<Arc<Inbox>, Failure> {
    let opened = tokio::task::spawn_blocking(move || Inbox::open(&path)).await;
    let inbox = opened.map_err(|error| stopped(&error))?.map_err(|error| receive::failure(&error))?;
    Ok(Arc::new(inbox))
}

/// The node has a working directory of its own, which the caller's paths are not relative to.
fn check_absolute(path: &Path) -> Result<(), Failure> {
    if path.is_absolute() {
        return Ok(());
    }
    Err(Failure::new(
        Code::Usage,
        format!("{} is not an absolute path", path.display()),
        "give the whole path",
    ))
}

fn stopped(error: &tokio::task::JoinError) -> Failure {
    Failure::new(Code::Failed, format!("the transfer was stopped: {error}"), "try again")
}

fn no_offer(id: &str) -> Failure {
    let id: String = id.chars().take(32).collect();
    Failure::new(Code::NotFound, format!("no offer {id:?} waits"), "lanyard status shows what does")
}

fn nobody_receives() -> Failure {
    Failure::new(
        Code::Usage,
        "nobody receives, and this node has no inbox",
        "run lanyard receive, or start the node with --inbox DIR",
    )
}

/// What the other side has to type, for people who wait.
fn remedy_for(peer: &PeerRef) -> String {
    format!("on {peer}: lanyard receive")
}
