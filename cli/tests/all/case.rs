//! One golden file: a command, what a node answers to it, and all that comes out.
//!
//! ```text
//! # why the case exists, with the ids of requirements and threats that it proves
//! @ POST /v1/chat                    a request that the command sends to the node, in this order
//! > {"peer":"bob","text":"hello"}    its body, compared as JSON; none: not looked at
//! < 200 {"id":"…","state":"queued"}  the answer; of several lines each is an event of a stream
//! 0> text                            a line of standard input
//! $ lanyard chat bob -m hello        the command; [DIR] is a directory of its own, also in what comes out
//! = 0                                the exit code
//! 1> text                            a line of standard output
//! 2> text                            a line of standard error
//! ```
//! A case without an `@` line runs where no node is; one with `@ none` where a node is that is asked nothing.

use std::path::Path;

/// What a golden file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) comments: Vec<String>,
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) stdin: String,
    pub(crate) command: String,
    pub(crate) outcome: Outcome,
    pub(crate) node: bool,
}

/// A request and its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exchange {
    pub(crate) request: String,
    pub(crate) body: Option<String>,
    pub(crate) status: String,
    pub(crate) answer: Vec<String>,
}

/// What came out of a command.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<String>,
    pub(crate) stderr: Vec<String>,
}

impl Case {
    pub(crate) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let mut case = Self::default();
        for line in text.lines() {
            case.read_line(line).unwrap_or_else(|| panic!("{}: {line:?}", path.display()));
        }
        case
    }

    fn read_line(&mut self, line: &str) -> Option<()> {
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.to_owned();
        match mark {
            "#" => self.comments.push(rest),
            "@" => {
                self.node = true;
                if rest != "none" {
                    self.exchanges.push(Exchange { request: rest, ..Exchange::default() });
                }
            }
            ">" => self.exchanges.last_mut()?.body = Some(rest),
            "<" => {
                let exchange = self.exchanges.last_mut()?;
                let (status, answer) = rest.split_once(' ')?;
                exchange.status = status.to_owned();
                exchange.answer.push(answer.to_owned());
            }
            "0>" => self.stdin.extend([rest.as_str(), "\n"]),
            "$" => rest.strip_prefix("lanyard")?.clone_into(&mut self.command),
            "=" => self.outcome.code = rest.parse().ok()?,
            "1>" => self.outcome.stdout.push(rest),
            "2>" => self.outcome.stderr.push(rest),
            _ => return None,
        }
        Some(())
    }

    /// The file's text with `outcome` in it.
    pub(crate) fn with(&self, outcome: &Outcome) -> String {
        let mut lines: Vec<String> = self.comments.iter().map(|text| format!("# {text}")).collect();
        if self.node && self.exchanges.is_empty() {
            lines.push("@ none".to_owned());
        }
        for exchange in &self.exchanges {
            lines.push(format!("@ {}", exchange.request));
            lines.extend(exchange.body.iter().map(|body| format!("> {body}")));
            lines.extend(exchange.answer.iter().map(|answer| format!("< {} {answer}", exchange.status)));
        }
        lines.extend(self.stdin.lines().map(|line| format!("0> {line}")));
        lines.push(format!("$ lanyard{}", self.command));
        lines.push(format!("= {}", outcome.code));
        lines.extend(outcome.stdout.iter().map(|line| format!("1> {line}")));
        lines.extend(outcome.stderr.iter().map(|line| format!("2> {line}")));
        lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
    }

    /// The command's arguments: words, in single quotes where they have blanks.
    pub(crate) fn arguments(&self, directory: &str) -> Vec<String> {
        let mut arguments = Vec::new();
        for (at, part) in self.command.split('\'').enumerate() {
            if at % 2 == 1 {
                arguments.push(part.to_owned());
            } else {
                arguments.extend(part.split_whitespace().map(ToOwned::to_owned));
            }
        }
        arguments.iter().map(|argument| argument.replace("[DIR]", directory)).collect()
    }
}
