//! Which machine a node runs on.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::identity::{NameError, NetworkName, NodeId};
use crate::label::{Digest, Label};

/// What tells this machine from every other: the text of `/etc/machine-id`, which is nobody else's business.
#[derive(Default)]
pub struct MachineId(Option<Zeroizing<String>>);

impl MachineId {
    /// The machine that says this of itself; nothing if it says nothing.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let text = text.trim();
        Self((!text.is_empty()).then(|| Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MachineId(..)")
    }
}

/// A machine, as one network knows it: a hash of its machine id and the network's name, so that two networks cannot
/// tell that a machine is in both, and nobody learns the machine id.
///
/// It is no secret that proves anything: whoever has seen it can present it, once, before the machine itself does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Guid(Digest);

impl Guid {
    /// The machine in `network`. A machine without an id is its node.
    #[must_use]
    pub fn of(machine: &MachineId, node: NodeId, network: &NetworkName) -> Self {
        let network = network.as_str().as_bytes();
        Self(match &machine.0 {
            Some(machine) => Label::Guid.hash(&[b"machine", machine.as_bytes(), network]),
            None => Label::Guid.hash(&[b"node", node.as_bytes(), network]),
        })
    }

    /// Its 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl TryFrom<String> for Guid {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Guid> for String {
    fn from(guid: Guid) -> Self {
        guid.to_string()
    }
}

/// 64 hexadecimal digits.
impl FromStr for Guid {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok();
        let bytes: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.try_into().ok());
        let bytes = bytes.ok_or_else(|| NameError::Guid(text.chars().take(80).collect()))?;
        Ok(Self(Digest(bytes)))
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guid({})", &self.to_string()[..8])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::IdentityKey;

    /// A6: what one network knows of a machine says nothing in another, nor what the machine's id is.
    #[test]
    fn a_machine_is_another_one_in_every_network() {
        let node = IdentityKey::from_seed(&[1; 32]).node_id();
        let other = IdentityKey::from_seed(&[2; 32]).node_id();
        let (shop, lab): (NetworkName, NetworkName) =
            ("shop.lan".parse().unwrap(), "lab.lan".parse().unwrap());
        let machine = MachineId::new("0123456789abcdef0123456789abcdef\n");
        let guid = Guid::of(&machine, node, &shop);
        assert_eq!(guid, Guid::of(&MachineId::new("0123456789abcdef0123456789abcdef"), other, &shop));
        assert_ne!(guid, Guid::of(&machine, node, &lab));
        assert_eq!(guid.to_string().parse(), Ok(guid));
        let nameless = MachineId::new(" \n");
        assert_ne!(Guid::of(&nameless, node, &shop), Guid::of(&nameless, other, &shop));
        assert_eq!(format!("{machine:?}"), "MachineId(..)");
    }

    #[test]
    fn refuses_what_is_no_guid() {
        for bad in ["", "0f", &"0".repeat(63), &"g".repeat(64), &"A".repeat(64), &"0".repeat(65)] {
            assert!(bad.parse::<Guid>().is_err(), "{bad}");
        }
    }
}
