//! `get`: files and listings from a folder that another node exposes.

use std::fs::File;
use std::io;
use std::path::Path;

use lanyard_protocol::control::{Code, FolderEntry, FolderItem, Listing};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::Context;
use crate::args;
use crate::client::Download;
use crate::error::{Error, Result};
use crate::output::{Output, Readable};
use crate::progress::{follow, size};

/// `lanyard get`
pub(super) async fn get(context: &Context, get: args::Get) -> Result {
    if get.item.is_folder() {
        return list(context, &get).await;
    }
    let wanted = get.output.as_deref();
    if context.printer.is_json() && Output::is_stdout(wanted) {
        let message = "standard output cannot hold both the file and JSON";
        return Err(Error::new(Code::Usage, message, "name a file: `-o F`"));
    }
    let (output, to) = Output::begin(wanted, get.force, Readable::AsUsual)?;
    let mut download = context.client().fetch("/v1/get", &get.item).await?;
    let to = receive(context, &get.item, &mut download, to).await?;
    if !Output::is_stdout(wanted) {
        to.sync_all().await.map_err(|error| unwritable(&error))?;
    }
    output.keep()?;
    let bytes = download.length();
    context.printer.say(&format!("got {} ({}), verified", get.item, size(bytes)));
    if context.printer.is_json() {
        context.printer.json(&json!({ "path": wanted, "bytes": bytes }))?;
    }
    Ok(())
}

/// Writes what comes, which is all of the file or an error.
async fn receive(
    context: &Context,
    item: &FolderItem,
    download: &mut Download,
    to: File,
) -> Result<tokio::fs::File> {
    let (mut to, mut came) = (tokio::fs::File::from_std(to), 0);
    let mut bar = follow(&context.printer, item.path.clone(), Some(download.length()));
    while let Some(piece) = download.next().await {
        to.write_all(&piece).await.map_err(|error| unwritable(&error))?;
        came += piece.len() as u64;
        bar(came);
    }
    to.flush().await.map_err(|error| unwritable(&error))?;
    let length = download.length();
    if came == length {
        return Ok(to);
    }
    let message =
        format!("{item} is truncated: {came} of {length} bytes came before it was cut or found to be wrong");
    Err(Error::new(Code::Data, message, format!("check that {} runs, and get it again", item.service.peer)))
}

async fn list(context: &Context, get: &args::Get) -> Result {
    if get.output.as_deref().is_some_and(|path| path != Path::new("-")) {
        return Err(Error::new(
            Code::Usage,
            "a listing goes to standard output",
            "name a file of it, or leave out -o",
        ));
    }
    let listing: Listing = context.client().post("/v1/list", &get.item).await?;
    let printer = &context.printer;
    if printer.is_json() {
        return printer.json(&listing);
    }
    let row = |FolderEntry { name, bytes }: &FolderEntry| match bytes {
        Some(bytes) => vec![name.clone(), bytes.to_string()],
        None => vec![format!("{name}/"), "-".to_owned()],
    };
    let rows: Vec<Vec<String>> = listing.entries.iter().map(row).collect();
    printer.table(&["NAME", "BYTES"], &rows)?;
    if listing.left_out > 0 {
        printer.say(&format!("{} more cannot be got: links, devices and the like", listing.left_out));
    }
    if listing.more {
        printer.say(&format!("there are more than these {}", listing.entries.len()));
    }
    Ok(())
}

fn unwritable(error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Error::Closed;
    }
    Error::new(
        Code::Failed,
        format!("the output cannot be written: {error}"),
        "write it somewhere with room: `-o F`",
    )
}
