//! One process, its streams read as it writes them.

use std::io::{Read, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::Output;
use crate::wait::{SOON, wait_for};

/// A process that runs. Dropping it kills it.
pub struct Process {
    argv: String,
    child: Child,
    stdout: Capture,
    stderr: Capture,
}

impl Process {
    /// Starts `command`.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        let argv = describe(&command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {argv}: {error}"));
        let stdout = Capture::of(child.stdout.take().expect("stdout was asked for"));
        let stderr = Capture::of(child.stderr.take().expect("stderr was asked for"));
        Self { argv, child, stdout, stderr }
    }

    /// Runs `command` to its end, with `input` on standard input.
    ///
    /// # Panics
    /// When it has not ended `within` that time.
    #[track_caller]
    #[must_use]
    pub fn run(command: Command, input: &[u8], within: Duration) -> Output {
        let mut process = Self::start(command);
        // A command that does not read its input may be gone before it is written.
        let _ = process.child.stdin.take().expect("stdin was asked for").write_all(input);
        process.ends(within)
    }

    /// The number of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes `text` to its standard input.
    ///
    /// # Panics
    /// When it does not read any more.
    pub fn types(&mut self, text: &str) {
        let stdin = self.child.stdin.as_mut().expect("stdin is open");
        stdin.write_all(text.as_bytes()).unwrap_or_else(|error| panic!("{}: {error}", self.argv));
    }

    /// Waits until it writes a line to standard error in which `matches` finds what is looked for.
    ///
    /// # Panics
    /// When there is none in time, or the process ends before.
    #[track_caller]
    pub fn says(&self, what: &str, within: Duration, matches: impl Fn(&str) -> bool) -> String {
        let found = self.stderr.find_line(within, &matches);
        found.unwrap_or_else(|| panic!("{} never said {what}\n{}", self.argv, self.so_far()))
    }

    /// As [`Process::says`], of standard output.
    ///
    /// # Panics
    /// When there is none in time, or the process ends before.
    #[track_caller]
    pub fn prints(&self, what: &str, within: Duration, matches: impl Fn(&str) -> bool) -> String {
        let found = self.stdout.find_line(within, &matches);
        found.unwrap_or_else(|| panic!("{} never printed {what}\n{}", self.argv, self.so_far()))
    }

    /// What it wrote to standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr.bytes()).into_owned()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // It may have ended by itself; whoever wants to know asks for its end.
        let _ = kill_process(id.expect("a child has a number"), signal);
    }

    /// Stops it where it is, until it is killed: from now on it does nothing.
    ///
    /// # Panics
    /// When it does not stop.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
        let status = format!("/proc/{}/stat", self.child.id());
        wait_for("it is stopped", SOON, || {
            // The state follows the name, which ends with the last bracket; a process that has ended is stopped too.
            let stat = std::fs::read_to_string(&status).ok()?;
            let state = stat.rsplit(')').next()?.trim_start().chars().next()?;
            matches!(state, 'T' | 'Z').then_some(())
        });
    }

    /// Gives it that time to end by itself; says whether it did.
    ///
    /// # Panics
    /// When the system does not know.
    #[must_use]
    pub fn ends_by_itself(&mut self, within: Duration) -> bool {
        // Its stream ends with it.
        self.stderr.ends(within) && self.child.try_wait().expect("it is our child").is_some()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it has not ended `within` that time, or something that it started holds its streams.
    #[track_caller]
    #[must_use]
    pub fn ends(mut self, within: Duration) -> Output {
        drop(self.child.stdin.take());
        let what = format!("{} ends", self.argv);
        let status = wait_for(&what, within, || self.child.try_wait().expect("it is our child"));
        let closed = self.stdout.ends(SOON) && self.stderr.ends(SOON);
        assert!(closed, "{} has ended, but something holds its streams", self.argv);
        Output {
            argv: self.argv.clone(),
            code: status.code(),
            stdout: self.stdout.bytes(),
            stderr: self.stderr.bytes(),
        }
    }

    /// Kills it without a warning.
    #[track_caller]
    #[must_use]
    pub fn kill9(self) -> Output {
        self.signal(Signal::KILL);
        self.ends(SOON)
    }

    fn so_far(&self) -> Output {
        Output {
            argv: self.argv.clone(),
            code: None,
            stdout: self.stdout.bytes(),
            stderr: self.stderr.bytes(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let ended = matches!(self.child.try_wait(), Ok(Some(_)));
        if !ended {
            // Neither can fail in a way that a test should hear of.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if thread::panicking() && !ended {
            eprintln!("--- killed while it ran:\n{}", self.so_far());
        }
    }
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// What was read from a stream so far.
#[derive(Clone, Default)]
struct Capture(Arc<(Mutex<Stream>, Condvar)>);

#[derive(Default)]
struct Stream {
    bytes: Vec<u8>,
    ended: bool,
}

impl Capture {
    fn of(mut stream: impl Read + Send + 'static) -> Self {
        let capture = Self::default();
        let shared = capture.clone();
        thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                shared.update(|stream| stream.bytes.extend_from_slice(&buffer[..count]));
            }
            shared.update(|stream| stream.ended = true);
        });
        capture
    }

    fn update(&self, change: impl FnOnce(&mut Stream)) {
        change(&mut self.lock());
        self.0.1.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Stream> {
        self.0.0.lock().expect("no reader panics")
    }

    fn bytes(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }

    fn ends(&self, within: Duration) -> bool {
        let open = |stream: &mut Stream| !stream.ended;
        let (_stream, late) =
            self.0.1.wait_timeout_while(self.lock(), within, open).expect("no reader panics");
        !late.timed_out()
    }

    fn find_line(&self, within: Duration, matches: &impl Fn(&str) -> bool) -> Option<String> {
        let find = |stream: &Stream| {
            let text = String::from_utf8_lossy(&stream.bytes).into_owned();
            let complete = text.rfind('\n').map_or("", |end| &text[..end]);
            complete.lines().find(|line| matches(line)).map(str::to_owned)
        };
        let unknown = |stream: &mut Stream| find(stream).is_none() && !stream.ended;
        let (stream, _late) =
            self.0.1.wait_timeout_while(self.lock(), within, unknown).expect("no reader panics");
        find(&stream)
    }
}
