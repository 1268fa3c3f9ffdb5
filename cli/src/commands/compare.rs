//! Joining where people decide: the words are shown, compared and waited for.

use core::cell::Cell;
use core::time::Duration;

use lanyard_protocol::control::{Code, Failure, Join, Joined, Mode, RoleName, State, Status};
use lanyard_protocol::identity::NodeId;
use tokio::time::interval;

use super::{Context, interrupted};
use crate::error::{Error, Result};
use crate::host::Joiner;
use crate::input;

/// How often the node is asked whether there are words to compare: sooner than a person wonders.
const PERIOD: Duration = Duration::from_millis(500);

/// A node's request to be let in, as its user is shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) id: String,
    pub(super) node: Option<NodeId>,
    pub(super) words: String,
}

impl Request {
    /// The node's own request, if it waits for people.
    pub(super) fn of(status: &Status) -> Option<Self> {
        let own = status.pending.iter().find(|pending| pending.kind == "join")?;
        let words = own.fingerprint.clone()?;
        Some(Self { id: own.id.clone(), node: status.id, words })
    }
}

/// How a request is told of, and who is asked about it.
pub(super) trait Teller {
    /// Tells of a request.
    fn tell(&self, request: &Request) -> Result;
    /// What to do where nobody can be asked.
    fn nobody(&self, request: &Request) -> Result;
}

/// Has a node join, and its user type and compare what it takes.
pub(super) async fn join(
    context: &Context,
    node: Joiner<'_>,
    mut wish: Join,
    teller: &impl Teller,
) -> Result<Joined> {
    loop {
        let joined = tokio::select! {
            biased;
            joined = node.join(wish.clone()) => joined,
            stopped = compare(context, node, wish.yes, teller) => Err(stopped),
        };
        match joined {
            Err(Error::Failure(refusal)) if wants_password(&refusal, &wish) && input::is_terminal() => {
                wish.password =
                    Some(input::password(&context.printer, None, input::NETWORK_PASSWORD, false).await?);
            }
            other => return other,
        }
    }
}

/// Whether a password would help that has not been given.
///
/// Where nothing says which authority is the right one, a password is for nobody, unless that is wanted.
fn wants_password(refusal: &Failure, wish: &Join) -> bool {
    let wanted = refusal.rule.is_some_and(|rule| rule.mentions(Mode::Password));
    wanted && wish.password.is_none() && (wish.invite.is_some() || wish.trust_first)
}

/// Shows each request of this node and asks about it; ends only where that cannot go on.
async fn compare(context: &Context, node: Joiner<'_>, yes: bool, teller: &impl Teller) -> Error {
    let mut ticks = interval(PERIOD);
    ticks.tick().await;
    let mut shown = None;
    loop {
        ticks.tick().await;
        // A node that stops says so to the join itself.
        let Ok(status) = node.status().await else { continue };
        let request = Request::of(&status);
        if let (Some(request), true) = (&request, request != shown) {
            let told = async {
                teller.tell(request)?;
                if yes { Ok(()) } else { ask(context, node, request, teller).await }
            };
            if let Err(error) = told.await {
                return error;
            }
        }
        shown = request.or(shown);
    }
}

/// Asks whether both screens show the same, and has the node act on it.
pub(super) async fn ask(
    context: &Context,
    node: Joiner<'_>,
    request: &Request,
    teller: &impl Teller,
) -> Result {
    if !input::is_terminal() {
        return teller.nobody(request);
    }
    let question = format!("{}: do the same words stand on the authority's screen?", request.words);
    let same = input::confirm(&context.printer, &question).await?;
    match node.confirm(same).await {
        // Decided or gone in the meantime: how it ended is told by the join.
        Err(Error::Failure(failure)) if failure.code == Code::NotFound => Ok(()),
        Err(other) => Err(other),
        Ok(()) => {
            if same {
                context.printer.say("now it is for the authority to decide");
            }
            Ok(())
        }
    }
}

/// Says what a person does with a request.
pub(super) fn say(context: &Context, request: &Request) {
    let printer = &context.printer;
    let id = &request.id;
    printer.say(&format!("waiting to be let in: `lanyard approve {id}` on the authority, after comparing"));
    if let Some(node) = &request.node {
        printer.say(&format!("this node   {node}"));
    }
    printer.stress(&format!("the words   {}", request.words));
}

/// Tells the person who typed `lanyard join`.
pub(super) struct Person<'a> {
    context: &'a Context,
    told: Cell<bool>,
}

impl<'a> Person<'a> {
    /// The person for whom `context` is.
    pub(super) const fn new(context: &'a Context) -> Self {
        Self { context, told: Cell::new(false) }
    }

    /// How an interrupted command ends.
    pub(super) fn interrupted(&self) -> Error {
        if !self.told.get() {
            return interrupted();
        }
        Error::new(
            Code::Interrupted,
            "interrupted; the request goes on waiting at the authority",
            format!("pick it up again: `{}`", self.context.command("join")),
        )
    }
}

impl Teller for Person<'_> {
    fn tell(&self, request: &Request) -> Result {
        self.told.set(true);
        say(self.context, request);
        Ok(())
    }

    fn nobody(&self, _: &Request) -> Result {
        Err(Error::new(
            Code::Usage,
            "the words have to be compared, and nobody can be asked: standard input is no terminal",
            "compare them on a terminal with `lanyard join`, or take them for the same: `lanyard join --yes`",
        ))
    }
}

/// Goes on with the request of a node that is joining already, until that has ended.
pub(super) async fn pick_up(
    context: &Context,
    node: Joiner<'_>,
    yes: bool,
    person: &Person<'_>,
) -> Result<Joined> {
    let asked = async {
        if yes {
            node.confirm(true).await?;
        }
        Err(compare(context, node, yes, person).await)
    };
    tokio::select! {
        ended = ended(node, !yes) => ended,
        stopped = asked => stopped,
    }
}

/// Waits for the end of a join that somebody else began.
async fn ended(node: Joiner<'_>, compared: bool) -> Result<Joined> {
    let mut ticks = interval(PERIOD);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let status = node.status().await?;
        if status.role != RoleName::None {
            return joined(node, status, compared).await;
        }
        if status.state != State::Waiting {
            return Err(Error::new(
                Code::Denied,
                "this node was not let in",
                "ask at the authority why, then join again: `lanyard join`",
            ));
        }
    }
}

async fn joined(node: Joiner<'_>, status: Status, pinned: bool) -> Result<Joined> {
    let certificates = node.certificates().await?;
    match (status.network, status.name, status.id) {
        (Some(network), Some(name), Some(id)) => Ok(Joined {
            network,
            name,
            id,
            fingerprint: certificates.fingerprint,
            pinned,
            not_after: certificates.not_after,
        }),
        _ => Err(Error::new(Code::Failed, "the node does not say who it is", "see `lanyard status`")),
    }
}
