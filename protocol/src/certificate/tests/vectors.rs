//! Certificates and requests with one fault each, for other implementations: `vectors/certificate/*.json`.

mod ca;
mod der;
mod leaf;
mod request;
