//! `completions` and `man`: for the shell.

use clap::CommandFactory as _;
use lanyard_protocol::control::Code;

use crate::args::{Cli, Completions, Man};
use crate::error::{Error, Result};
use crate::printer::Printer;

/// `lanyard completions`
pub(super) fn completions(printer: &Printer, completions: &Completions) -> Result {
    let mut script = Vec::new();
    clap_complete::generate(completions.shell, &mut Cli::command(), "lanyard", &mut script);
    printer.raw(&String::from_utf8_lossy(&script))
}

/// `lanyard man`
pub(super) fn man(printer: &Printer, man: &Man) -> Result {
    let mut root = Cli::command();
    root.build();
    let mut command = &root;
    for name in &man.command {
        command = command.find_subcommand(name).ok_or_else(|| {
            let what = format!("there is no command {}", man.command.join(" "));
            Error::new(Code::NotFound, what, "`lanyard man` lists them")
        })?;
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page).map_err(|error| Error::output(&error))?;
    printer.raw(&String::from_utf8_lossy(&page))
}
