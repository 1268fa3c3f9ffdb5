//! One host: a state directory and a place on a network.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use crate::disk::{Disk, SmallDisk};
use crate::wait::SOON;
use crate::{DetachedNode, Output, PowerDisk, Process, RunningNode, WallClock, binary};

/// The ports of every node: each host has an address of its own.
const PORT: u16 = 4610;
const LANE_PORT: u16 = 4611;

/// A host with a state directory of its own, removed when it is dropped.
pub struct Host {
    name: String,
    // Before the folder that it lies in: fields are dropped in order.
    disk: Option<Disk>,
    folder: TempDir,
    address: Ipv4Addr,
    namespace: Option<String>,
    log: Option<String>,
    clock: Option<WallClock>,
}

impl Host {
    /// A host on loopback, with an address of its own.
    ///
    /// # Panics
    /// When there is no room for its state.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::at(name, loopback_address(), None)
    }

    pub(crate) fn at(name: &str, address: Ipv4Addr, namespace: Option<String>) -> Self {
        let folder =
            tempfile::Builder::new().prefix("lanyard-").tempdir().expect("there is room for a folder");
        Self { name: name.to_owned(), disk: None, folder, address, namespace, log: None, clock: None }
    }

    /// This host with its state on a disk of `mebibytes`, or nothing where there can be none and tests may be
    /// skipped.
    ///
    /// # Panics
    /// Where nothing may be skipped.
    #[must_use]
    pub fn on_small_disk(mut self, mebibytes: u32) -> Option<Self> {
        self.disk = Some(Disk::Small(SmallDisk::mount(self.state(), mebibytes)?));
        Some(self)
    }

    /// This host with its state on an ext4 file system of `mebibytes` whose power can be cut, or nothing where there
    /// can be none and tests may be skipped.
    ///
    /// # Panics
    /// Where nothing may be skipped.
    #[must_use]
    pub fn on_power_disk(mut self, mebibytes: u32) -> Option<Self> {
        self.disk = Some(Disk::Power(PowerDisk::mount(&self.state(), mebibytes)?));
        Some(self)
    }

    /// The disk whose power can be cut.
    ///
    /// # Panics
    /// Where its state is on another one.
    #[must_use]
    pub fn power_disk(&self) -> &PowerDisk {
        match &self.disk {
            Some(Disk::Power(disk)) => disk,
            Some(Disk::Small(_)) | None => panic!("{} is on no disk whose power can be cut", self.name),
        }
    }

    /// This host, whose commands log at `level`.
    #[must_use]
    pub fn logging(mut self, level: &str) -> Self {
        self.log = Some(level.to_owned());
        self
    }

    /// This host with a wall clock of its own.
    #[must_use]
    pub fn with_clock(mut self, clock: WallClock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Sets its wall clock: see [`WallClock::set`].
    ///
    /// # Panics
    /// When it has none of its own.
    pub fn set_clock(&self, offset: &str) {
        self.clock.as_ref().expect("the host has a clock of its own").set(offset);
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its state directory.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// A file or folder of this name that is the test's own.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file that is the test's own.
    ///
    /// # Panics
    /// When it cannot.
    #[must_use]
    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).expect("there is room for a file");
        path
    }

    /// Makes a file of `size` bytes of which all but the first few are zero: large, and cheap to make.
    ///
    /// # Panics
    /// When it cannot.
    #[must_use]
    pub fn write_large(&self, name: &str, size: u64) -> PathBuf {
        let path = self.write(name, name.as_bytes());
        let file = fs::OpenOptions::new().write(true).open(&path).expect("it was just written");
        file.set_len(size).expect("a hole takes no room");
        path
    }

    /// Where its node listens for control connections, both TCP and QUIC.
    #[must_use]
    pub fn control_address(&self) -> SocketAddr {
        (self.address, PORT).into()
    }

    /// Where its node listens for lanes.
    #[must_use]
    pub fn lane_address(&self) -> SocketAddr {
        (self.address, LANE_PORT).into()
    }

    /// `lanyard` with these arguments, on this host, ready to be started.
    #[must_use]
    pub fn command<A: AsRef<str>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = self.program(&binary());
        command.arg("--state").arg(self.state());
        command.args(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        command.current_dir(self.folder.path());
        for name in ["LANYARD_STATE", "LANYARD_SESSION", "XDG_STATE_HOME", "RUST_LOG"] {
            command.env_remove(name);
        }
        command.env("NO_COLOR", "1").env("RUST_BACKTRACE", "1").env("HOME", self.folder.path());
        if let Some(level) = &self.log {
            command.env("RUST_LOG", level);
        }
        if let Some(clock) = &self.clock {
            clock.apply(&mut command);
        }
        command
    }

    /// A program that runs on this host.
    #[must_use]
    pub fn program(&self, program: &Path) -> Command {
        let Some(namespace) = &self.namespace else { return Command::new(program) };
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).arg(program);
        command
    }

    /// Runs `lanyard` with these arguments to its end.
    #[track_caller]
    #[must_use]
    pub fn run<A: AsRef<str>>(&self, args: impl IntoIterator<Item = A>) -> Output {
        self.run_within(SOON * 2, args)
    }

    /// Runs `lanyard` with these arguments to its end, which has to come within that time.
    #[track_caller]
    #[must_use]
    pub fn run_within<A: AsRef<str>>(&self, within: Duration, args: impl IntoIterator<Item = A>) -> Output {
        Process::run(self.command(args), b"", within)
    }

    /// Starts `lanyard` with these arguments.
    #[must_use]
    pub fn start<A: AsRef<str>>(&self, args: impl IntoIterator<Item = A>) -> Process {
        Process::start(self.command(args))
    }

    /// Starts the node and waits until it is ready.
    #[track_caller]
    #[must_use]
    pub fn up(&self) -> RunningNode {
        self.up_with(&[])
    }

    /// Starts the node with further arguments and waits until it is ready.
    #[track_caller]
    #[must_use]
    pub fn up_with(&self, args: &[&str]) -> RunningNode {
        let own = self.up_arguments();
        RunningNode::ready(self.start(own.iter().map(String::as_str).chain(args.iter().copied())))
    }

    /// Starts the node by a program that is given the command to run, and waits until it is ready.
    #[track_caller]
    #[must_use]
    pub fn up_under(&self, mut wrapper: Command) -> RunningNode {
        let inner = self.command(self.up_arguments());
        wrapper.arg(inner.get_program()).args(inner.get_args());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => wrapper.env(name, value),
                None => wrapper.env_remove(name),
            };
        }
        RunningNode::ready(Process::start(wrapper))
    }

    /// Starts the node in a process with these limits of descriptors, and waits until it is ready.
    #[track_caller]
    #[must_use]
    pub fn up_with_descriptors(&self, soft: u32, hard: u32) -> RunningNode {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" \"$@\"")]);
        self.up_under(shell)
    }

    /// Starts the node with `-d`, which returns once it is ready.
    #[track_caller]
    #[must_use]
    pub fn up_detached(&self) -> DetachedNode<'_> {
        let mut args = self.up_arguments();
        args.push("-d".to_owned());
        // From here on there may be a node, whatever the command says.
        let node = DetachedNode::of(self);
        let _ = self.run(args).ok();
        node
    }

    /// The arguments with which a node is started here: on loopback at this host's address, without mDNS.
    #[must_use]
    pub fn up_arguments(&self) -> Vec<String> {
        let mut args = vec!["up".to_owned()];
        args.extend(self.listen_arguments());
        args
    }

    /// The part of them that says where to listen.
    #[must_use]
    pub fn listen_arguments(&self) -> Vec<String> {
        if self.namespace.is_some() {
            return Vec::new();
        }
        let (control, lane) = (self.control_address().to_string(), self.lane_address().to_string());
        vec!["--listen".to_owned(), control, "--lane".to_owned(), lane, "--no-mdns".to_owned()]
    }
}

/// An address in 127.0.0.0/8 that no other host of this process has, and hardly one of another.
pub(crate) fn loopback_address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 | high & 63, low, NEXT.fetch_add(1, Ordering::Relaxed))
}
