//! What can be asked for.

pub(crate) mod live;
pub(crate) mod replay;
pub(crate) mod run;

use core::num::NonZeroUsize;

use lanyard_protocol::control::Failure;
use lanyard_simulations::report::table;
use lanyard_simulations::scenario::{BUILT_IN, Scenario};

use crate::screen;
use crate::source::Source;

/// How a command ends that was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Nothing is wrong.
    AsItOught,
    /// An invariant does not hold.
    Violated,
}

/// The result of a command.
pub(crate) type Result<T = Ending> = core::result::Result<T, Failure>;

impl Ending {
    /// The program's exit code.
    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::AsItOught => 0,
            Self::Violated => 1,
        }
    }
}

/// Lists the scenarios that come with the program.
pub(crate) fn list() -> Result {
    let row = |(name, text): &(&str, &str)| {
        let scenario = Scenario::parse(text).ok()?;
        let about = scenario.about.trim().replace('\n', " ");
        Some(vec![(*name).to_owned(), scenario.nodes.to_string(), scenario.duration.to_string(), about])
    };
    let rows: Vec<Vec<String>> = BUILT_IN.iter().filter_map(row).collect();
    screen::data(&table(&["NAME", "NODES", "DURATION", "ABOUT"], &rows))?;
    Ok(Ending::AsItOught)
}

/// Prints a scenario.
pub(crate) fn show(wanted: &str) -> Result {
    screen::data(&Source::load(wanted)?.text)?;
    Ok(Ending::AsItOught)
}

/// As many threads as are wanted, or as there are processors.
fn threads(wanted: Option<NonZeroUsize>) -> usize {
    wanted.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
}
