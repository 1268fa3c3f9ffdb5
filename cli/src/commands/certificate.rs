//! `cert` and `ca`: certificates as people and other programs want them.

use std::path::Path;

use lanyard_protocol::certificate::{CertificateDer, CertificateError, TrustAnchor, verify};
use lanyard_protocol::control::{Certificates, Code, Time};
use lanyard_protocol::identity::{NameError, NetworkName};

use super::{Context, member, node};
use crate::args::{Ca, Cert, Export, Verify};
use crate::error::{Error, Result};
use crate::host::{self, Anywhere};
use crate::input;

/// `lanyard cert`
pub(super) async fn cert(context: &Context, cert: Cert) -> Result {
    match cert {
        Cert::Show => show(context, &certificates(context).await?),
        Cert::Renew => renew(context).await,
        Cert::Export(export) => write(context, &export, &certificates(context).await?.certificate),
        Cert::Verify(wanted) => verify_file(context, &wanted, &certificates(context).await?),
    }
}

/// `lanyard ca`
pub(super) async fn ca(context: &Context, ca: Ca) -> Result {
    let certificates = certificates(context).await?;
    match ca {
        Ca::Show => show_ca(context, &certificates),
        Ca::Export(export) => write(context, &export, &certificates.ca),
    }
}

async fn renew(context: &Context) -> Result {
    let anywhere = member_here(context).await?;
    let renewed = anywhere.renew().await;
    anywhere.close().await;
    let renewed = renewed?;
    context.printer.say(&format!("renewed until {}", renewed.not_after.0));
    if context.printer.is_json() { context.printer.json(&renewed) } else { Ok(()) }
}

async fn certificates(context: &Context) -> Result<Certificates> {
    let anywhere = member_here(context).await?;
    let certificates = anywhere.certificates().await;
    anywhere.close().await;
    certificates
}

pub(super) async fn member_here(context: &Context) -> Result<Anywhere> {
    if !context.client().is_running().await? && !context.state.join("db").exists() {
        // A look must not make a node where there was none.
        return Err(Error::new(
            Code::Denied,
            format!("there is no certificate in {}: no node was ever started there", context.state.display()),
            "join a network with `lanyard join`, or make one with `lanyard init`",
        ));
    }
    Anywhere::find(&context.state, &context.client()).await
}

fn show(context: &Context, certificates: &Certificates) -> Result {
    if context.printer.is_json() {
        return context.printer.json(certificates);
    }
    let rows = [
        ("SPIFFE id", certificates.spiffe_id.clone()),
        ("serial", certificates.serial.clone()),
        ("role", node::role(certificates.role).to_owned()),
        ("valid from", certificates.not_before.0.to_string()),
        ("until", certificates.not_after.0.to_string()),
        ("CA", member::groups(&certificates.fingerprint)),
    ];
    rows.iter().try_for_each(|(what, text)| context.printer.line(&format!("{what:<12} {text}")))
}

fn show_ca(context: &Context, certificates: &Certificates) -> Result {
    let network = network(certificates)?;
    if context.printer.is_json() {
        return context.printer.json(&serde_json::json!({
            "network": network,
            "fingerprint": certificates.fingerprint.to_string(),
            "ca": certificates.ca,
        }));
    }
    context.printer.line(&format!("{:<12} {network}", "network"))?;
    context.printer.line(&format!("{:<12} {}", "fingerprint", member::groups(&certificates.fingerprint)))
}

fn write(context: &Context, export: &Export, pem: &str) -> Result {
    let Some(path) = &export.output else { return context.printer.raw(pem) };
    std::fs::write(path, pem).map_err(|error| {
        let what = format!("{} cannot be written: {error}", path.display());
        Error::new(Code::Failed, what, "name another file: `-o F`")
    })
}

fn verify_file(context: &Context, wanted: &Verify, certificates: &Certificates) -> Result {
    let pem = read(&wanted.file)?;
    let verified = CertificateDer::from_pem(&pem)
        .and_then(|leaf| verify(&anchor(certificates)?, &leaf, host::now()))
        .map_err(|error| at_fault(&wanted.file, &error))?;
    if context.printer.is_json() {
        return context.printer.json(&serde_json::json!({
            "name": verified.name(),
            "network": verified.network(),
            "id": verified.node_id().to_string(),
            "serial": verified.serial().to_string(),
            "not_after": Time(verified.not_after()),
        }));
    }
    let (name, network, id) = (verified.name(), verified.network(), verified.node_id());
    context.printer.line(&format!("{name}.{network} is {id} until {}", verified.not_after()))
}

/// The network's CA certificate as what others are verified against.
fn anchor(certificates: &Certificates) -> core::result::Result<TrustAnchor, CertificateError> {
    let ca = CertificateDer::from_pem(&certificates.ca)?;
    let network = network(certificates).map_err(|_| CertificateError::Pem("of no network"))?;
    TrustAnchor::new(ca, certificates.fingerprint, network)
}

/// The network's name, from the SPIFFE id `spiffe://<network>/…`.
fn network(certificates: &Certificates) -> Result<NetworkName> {
    let rest = certificates.spiffe_id.strip_prefix("spiffe://").unwrap_or_default();
    let name = rest.split('/').next().unwrap_or_default();
    name.parse().map_err(|error: NameError| {
        Error::new(Code::Data, error.to_string(), "get a new certificate: `lanyard join`")
    })
}

fn read(path: &Path) -> Result<String> {
    if path == Path::new("-") {
        return input::all();
    }
    std::fs::read_to_string(path).map_err(|error| {
        let code = if error.kind() == std::io::ErrorKind::NotFound { Code::NotFound } else { Code::Failed };
        Error::new(
            code,
            format!("{} cannot be read: {error}", path.display()),
            "name a file with a certificate in PEM",
        )
    })
}

fn at_fault(path: &Path, error: &CertificateError) -> Error {
    Error::new(
        Code::Data,
        format!("{}: {error}", path.display()),
        "do not trust it; ask its owner for the output of `lanyard cert export`",
    )
}
