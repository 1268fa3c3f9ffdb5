//! How a command ends when it does not end well.

use std::io;

use lanyard_protocol::control::{Code, Failure};

/// The end of a command that was not carried out.
#[derive(Debug)]
pub(crate) enum Error {
    /// It failed; the user is told why and what to do.
    Failure(Failure),
    /// It failed; standard output says so already, in the one object that scripts read.
    Reported(Failure),
    /// Whoever read standard output has had enough (`lanyard peers | head -1`): nothing is said about it.
    Closed,
}

/// The result of a command.
pub(crate) type Result<T = ()> = core::result::Result<T, Error>;

impl Error {
    /// A failure of kind `code`: what happened, then what to do.
    pub(crate) fn new(code: Code, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Failure(Failure::new(code, message, remedy))
    }

    /// A failure at standard output, whose closed end is none.
    pub(crate) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::Closed;
        }
        Self::new(
            Code::Failed,
            format!("standard output cannot be written: {error}"),
            "write it somewhere with room",
        )
    }

    /// The program's exit code.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Failure(failure) | Self::Reported(failure) => failure.code.exit_code(),
            Self::Closed => 0,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}
