//! A node whose disk fails when it is told to: libfiu stands between it and the system.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::{Host, Output, Process, RunningNode, program};

/// A node that runs under `fiu-run`.
pub struct FaultyNode {
    node: RunningNode,
    control: PathBuf,
}

impl FaultyNode {
    /// Starts the host's node and waits until it is ready; nothing where there is no `fiu-run` and tests may be skipped.
    ///
    /// # Panics
    /// Where nothing may be skipped.
    #[track_caller]
    #[must_use]
    pub fn up(host: &Host) -> Option<Self> {
        let control = host.path("fiu");
        let mut wrapper = Command::new(program("fiu-run")?);
        wrapper.args(["-x", "-f"]).arg(&control);
        Some(Self { node: host.up_under(wrapper), control })
    }

    /// From now on what libfiu calls `name` fails with `errno`, now and then or always.
    #[track_caller]
    pub fn fail(&self, name: &str, errno: i32, probability: f32) {
        self.order(&format!("enable_random name={name},probability={probability},failinfo={errno}"));
    }

    /// It works again.
    #[track_caller]
    pub fn mend(&self, name: &str) {
        self.order(&format!("disable name={name}"));
    }

    /// The node itself.
    #[must_use]
    pub fn into_node(self) -> RunningNode {
        self.node
    }

    #[track_caller]
    fn order(&self, order: &str) {
        let mut command = Command::new("fiu-ctrl");
        command.arg("-f").arg(&self.control).args(["-c", order]).arg(self.node.id().to_string());
        let output: Output = Process::run(command, b"", Duration::from_secs(20));
        let _ = output.ok();
    }
}
