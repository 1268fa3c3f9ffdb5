//! The one loop that feeds the engine: an input, then everything that comes out of it, then the next.
//!
//! Nothing in here waits: what takes time (the disk, Argon2id, the network) reports back as an input.

mod pace;

use core::mem::Discriminant;
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use futures::future::{BoxFuture, FutureExt};
use futures::stream::{FuturesUnordered, StreamExt};
use lanyard_protocol::audit::{Actor, Entry, Origin};
use lanyard_protocol::control::{Answer, Failure};
use lanyard_protocol::engine::{
    ClockFault, CommandId, Engine, Finished, Output, PersistId, RequestId, Work, WorkId,
};
use lanyard_protocol::enrolment::stretch;
use lanyard_protocol::record::Write;
use lanyard_protocol::time::Timestamp;
use tokio::sync::{Semaphore, oneshot};

use self::pace::Pace;
use crate::ambient;
use crate::audit::Audit;
use crate::handle::{Answered, Ends, Listening, Message, Opened};
use crate::listen::lane_addresses;
use crate::store::{Store, StoreError};
use crate::swarm::{Event, Network};
use crate::tasks::Tasks;

/// Computations at a time. 2: each takes 64 MiB.
const WORKERS: usize = 2;

/// The engine and everything that it is connected to.
pub(crate) struct EventLoop {
    engine: Engine,
    network: Network,
    store: Store,
    audit: Audit,
    /// The uid that runs the node.
    owner: u32,
    lane: Option<SocketAddr>,
    advertised: Advertised,
    ends: Ends,
    waiting: BTreeMap<CommandId, Waiting>,
    /// When each request went out that has no answer yet.
    asked: BTreeMap<RequestId, Instant>,
    persists: FuturesUnordered<BoxFuture<'static, (PersistId, Result<(), StoreError>)>>,
    works: FuturesUnordered<BoxFuture<'static, Option<(WorkId, Finished)>>>,
    workers: Arc<Semaphore>,
    pace: Pace,
    /// What was last said to be wrong with the clock.
    clock_fault: Option<Discriminant<ClockFault>>,
}

/// What others are told instead of where the node listens.
pub(crate) struct Advertised {
    pub(crate) control: Vec<SocketAddr>,
    pub(crate) lane: Option<SocketAddr>,
}

impl Advertised {
    fn instead_of(&self, control: &[SocketAddr], lane: &[SocketAddr]) -> (Vec<SocketAddr>, Vec<SocketAddr>) {
        let told = if self.control.is_empty() { control } else { &self.control };
        (told.to_vec(), self.lane.map_or_else(|| lane.to_vec(), |lane| vec![lane]))
    }
}

/// Who waits for the end of a command.
enum Waiting {
    Command(oneshot::Sender<Answered>),
    Open(oneshot::Sender<Opened>),
}

/// One thing for the engine to know.
enum Input {
    Network(Event),
    Message(Message),
    Cancelled(CommandId),
    Persisted(PersistId, Result<(), StoreError>),
    Worked(Option<(WorkId, Finished)>),
    Timeout,
}

impl EventLoop {
    pub(crate) fn new(
        engine: Engine,
        network: Network,
        (store, audit): (Store, Audit),
        lane: Option<SocketAddr>,
        advertised: Advertised,
        ends: Ends,
    ) -> Self {
        Self {
            engine,
            network,
            store,
            audit,
            owner: rustix::process::geteuid().as_raw(),
            lane,
            advertised,
            ends,
            waiting: BTreeMap::new(),
            asked: BTreeMap::new(),
            persists: FuturesUnordered::new(),
            works: FuturesUnordered::new(),
            workers: Arc::new(Semaphore::new(WORKERS)),
            pace: Pace::default(),
            clock_fault: None,
        }
    }

    /// Runs until the tasks are told to stop; ends them all if it ends for any other reason.
    pub(crate) async fn run(mut self, tasks: Tasks) {
        let _stop_all = StopAll(tasks.clone());
        self.carry_out();
        loop {
            let input = tokio::select! {
                () = tasks.stopping() => break,
                input = self.next() => input,
            };
            self.feed(input);
            self.carry_out();
        }
        self.finish_writing().await;
        self.audit.close().await;
    }

    /// Waits for the next input. Dropping the future loses nothing.
    async fn next(&mut self) -> Input {
        let (deadline, now) = (self.engine.poll_timeout(), self.ends.clock.now());
        if let Some((deadline, why)) = deadline
            && self.pace.is_due(deadline, now)
        {
            tracing::trace!(why, "a deadline has come");
            return Input::Timeout;
        }
        let sleep = Pace::sleep(deadline.map(|(deadline, _)| deadline), now);
        let Ends { mailbox, cancelled, .. } = &mut self.ends;
        tokio::select! {
            event = self.network.next() => Input::Network(event),
            Some(message) = mailbox.recv() => Input::Message(message),
            Some(id) = cancelled.recv() => Input::Cancelled(id),
            Some((id, result)) = self.persists.next() => Input::Persisted(id, result),
            Some(finished) = self.works.next() => Input::Worked(finished),
            () = tokio::time::sleep(sleep) => Input::Timeout,
        }
    }

    fn feed(&mut self, input: Input) {
        self.engine.handle_clock(ambient::now(), ambient::steady());
        self.carry_out();
        self.watch_clock();
        let now = self.ends.clock.now();
        match input {
            Input::Network(event) => self.feed_network(event, now),
            Input::Message(message) => self.feed_message(message, now),
            Input::Cancelled(id) => {
                if self.waiting.remove(&id).is_some() {
                    self.engine.handle_cancel(id, now);
                }
            }
            Input::Persisted(id, result) => {
                if let Err(error) = &result {
                    tracing::error!(%error, "the store did not keep what it was given");
                }
                self.engine.handle_persisted(id, result.is_ok(), now);
            }
            Input::Worked(Some((id, finished))) => self.engine.handle_work(id, finished, now),
            Input::Worked(None) => tracing::error!("a computation has ended without a result"),
            Input::Timeout => self.engine.handle_timeout(now),
        }
    }

    /// Says once that a clock is wrong, and once that it is right again.
    fn watch_clock(&mut self) {
        let fault = self.engine.clock_fault();
        if fault.as_ref().map(core::mem::discriminant) != self.clock_fault {
            match &fault {
                Some(fault) => tracing::warn!("{fault}"),
                None => tracing::info!("this host's clock is right again"),
            }
            self.clock_fault = fault.as_ref().map(core::mem::discriminant);
        }
    }

    fn feed_network(&mut self, event: Event, now: Timestamp) {
        let engine = &mut self.engine;
        match event {
            Event::Listening(control) => {
                let lane = self.lane.map_or_else(Vec::new, |lane| lane_addresses(&control, lane));
                let (told, told_lane) = self.advertised.instead_of(&control, &lane);
                engine.handle_listening(told, told_lane, now);
                self.ends.listening.send_replace(Some(Listening { control, lane }));
            }
            Event::Connected { peer, connection } => engine.handle_connected(peer, connection, now),
            Event::Disconnected { peer } => engine.handle_disconnected(peer, now),
            Event::DialFailed { dial } => engine.handle_dial_failed(dial, now),
            Event::Request { from, source, inbound, bytes } => {
                engine.handle_request(from, source, inbound, &bytes, now);
            }
            Event::Response { request, bytes } => {
                let took = self.asked.remove(&request).map_or(Duration::ZERO, |asked| asked.elapsed());
                engine.handle_response(request, &bytes, took, now);
            }
            Event::RequestFailed { request } => {
                self.asked.remove(&request);
                engine.handle_request_failed(request, now);
            }
            Event::Discovered { peer, addresses } => engine.handle_discovered(peer, addresses, now),
        }
    }

    fn feed_message(&mut self, message: Message, now: Timestamp) {
        match message {
            Message::Command { id, caller, command, reply } => {
                self.waiting.insert(id, Waiting::Command(reply));
                self.engine.handle_command(id, caller, command, now);
            }
            Message::Open { id, actor, service, reply } => {
                self.waiting.insert(id, Waiting::Open(reply));
                self.engine.handle_open(id, actor, service, now);
            }
            Message::Visit { id, visit, reply } => {
                self.waiting.insert(id, Waiting::Open(reply));
                self.engine.handle_open_guest(id, visit, now);
            }
            Message::NoTicket(ticket) => self.engine.handle_no_ticket(&ticket, now),
        }
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Request { id, to, message } => {
                    self.asked.insert(id, ambient::monotonic());
                    self.network.request(id, &to, message);
                }
                Output::Respond { to, message } => self.network.respond(to, message),
                Output::Ignore { to } => self.network.ignore(to),
                Output::Connect { id, peer, addresses } => {
                    self.network.connect(id, peer.as_ref(), &addresses);
                }
                Output::Persist { id, writes } => self.persist(id, writes),
                Output::Work { id, work } => self.work(id, work),
                Output::Answer { to, result } => self.answer(to, result),
                Output::Channel { to, result } => self.channel(to, result),
                Output::Snapshot(snapshot) => {
                    self.ends.snapshot.send_replace(snapshot);
                }
                Output::SignedTime(signed) => self.ends.clock.raise(signed),
                Output::Certified { peer, until, keep } => {
                    self.network.prove(&peer, until, keep);
                    // Nobody has to listen.
                    let _ = self.ends.certified.send(peer);
                }
                Output::Disconnect { peer } => self.network.disconnect(&peer),
                Output::Audit(entry) => self.record(entry),
            }
        }
    }

    /// Only the owner can order anything at this host, unless the entry says who it was.
    fn record(&self, mut entry: Box<Entry>) {
        if entry.from == Origin::Local && entry.who == Actor::default() {
            entry.who.uid = Some(self.owner);
        }
        self.audit.record(entry);
    }

    /// Commits take effect in the order in which they are first polled, so each is polled here, once. One is reported
    /// durable when the records of what was decided before it are, too.
    fn persist(&self, id: PersistId, writes: Vec<Write>) {
        let (commit, synced) = (self.store.commit(writes), self.audit.synced());
        let mut commit: BoxFuture<'static, _> = Box::pin(async move {
            let (kept, ()) = futures::future::join(commit, synced).await;
            (id, kept)
        });
        self.persists.push(match (&mut commit).now_or_never() {
            Some(done) => Box::pin(core::future::ready(done)),
            None => commit,
        });
    }

    fn work(&self, id: WorkId, work: Work) {
        let workers = Arc::clone(&self.workers);
        self.works.push(Box::pin(async move {
            let _worker = workers.acquire_owned().await.ok()?;
            let finished = tokio::task::spawn_blocking(move || do_work(&work)).await.ok()?;
            Some((id, finished))
        }));
    }

    fn answer(&mut self, to: CommandId, result: Result<Answer, Failure>) {
        if let Some(Waiting::Command(reply)) = self.waiting.remove(&to) {
            // The caller may have gone.
            let _ = reply.send(result);
        }
    }

    fn channel(&mut self, to: CommandId, result: Opened) {
        if let Some(Waiting::Open(reply)) = self.waiting.remove(&to) {
            let _ = reply.send(result);
        }
    }

    /// What was given to the store is on the disk before the node is gone.
    async fn finish_writing(&mut self) {
        while let Some((_, result)) = self.persists.next().await {
            if let Err(error) = result {
                tracing::error!(%error, "the store did not keep what it was given");
            }
        }
    }
}

fn do_work(work: &Work) -> Finished {
    match work {
        Work::Stretch { secret, salt } => Finished::Stretched(stretch(secret, salt)),
    }
}

/// A node without its loop is none: whatever ends the loop ends the rest.
struct StopAll(Tasks);

impl Drop for StopAll {
    fn drop(&mut self) {
        self.0.stop();
    }
}
