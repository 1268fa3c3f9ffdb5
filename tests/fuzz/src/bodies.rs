//! What programs write to the local API.

use std::fmt::Debug;

use lanyard_protocol::control::{
    AddGuid, Admission, ApplyPolicy, AskWhy, ChatSend, ConfirmJoin, Decide, Decision, ExplainPolicy,
    ExportState, HeaderToOpen, HeaderToSeal, Init, InviteRequest, Join, PeerRef, Receive, Revoke, SendFile,
    ServiceRef, SetPassword,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Whether bytes are a body of one kind.
type Read = fn(&[u8]) -> bool;

/// One for each kind of body; the last three stand in bodies of one field.
const BODIES: [Read; 21] = [
    read::<Init>,
    read::<Join>,
    read::<InviteRequest>,
    read::<Revoke>,
    read::<SetPassword>,
    read::<AddGuid>,
    read::<Decision>,
    read::<ConfirmJoin>,
    read::<ChatSend>,
    read::<SendFile>,
    read::<Receive>,
    read::<Decide>,
    read::<HeaderToSeal>,
    read::<HeaderToOpen>,
    read::<ExportState>,
    read::<ApplyPolicy>,
    read::<ExplainPolicy>,
    read::<AskWhy>,
    read::<Admission>,
    read::<PeerRef>,
    read::<ServiceRef>,
];

/// The body of a request, of the kind that the first byte says: what is taken is written in JSON and read the same
/// again, and a refusal steers no terminal.
pub fn body(data: &[u8]) {
    is_body(data);
}

pub(crate) fn is_body(data: &[u8]) -> bool {
    let Some((&kind, json)) = data.split_first() else { return false };
    BODIES[usize::from(kind) % BODIES.len()](json)
}

fn read<T: Serialize + DeserializeOwned + Debug + PartialEq>(json: &[u8]) -> bool {
    match serde_json::from_slice::<T>(json) {
        Ok(body) => {
            let again = serde_json::to_vec(&body).unwrap();
            assert_eq!(serde_json::from_slice::<T>(&again).unwrap(), body);
            true
        }
        Err(error) => {
            assert!(!error.to_string().contains('\u{1b}'), "an error that steers a terminal");
            false
        }
    }
}
