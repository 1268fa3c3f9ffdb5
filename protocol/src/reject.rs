//! What a peer is told when the answer is no: less than the node itself knows.

use serde::{Deserialize, Serialize};

use crate::control::{Admission, Code, Failure, Mode};

/// Why a peer's request was refused, as far as the peer may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Reject {
    /// The other side has too much to do.
    #[error("the other side is too busy")]
    Busy,
    /// Only members of the same network may ask that.
    #[error("the other side does not know this node as a member of its network")]
    NotMember,
    /// The other side is no authority.
    #[error("the other side is not the authority")]
    NotAuthority,
    /// The other side is of another network than the one that was asked for.
    #[error("the other side is of another network")]
    OtherNetwork,
    /// This network admits by a rule that the candidate does not meet.
    #[error("this network admits nodes by {0}")]
    Needed(Admission),
    /// This network is open to its own local network, and the request came from elsewhere.
    #[error("this network is open to its own local network, and this node is not on it")]
    NotLocal,
    /// No such invite: unknown, used up, expired or mistyped.
    #[error("the invite is not good: mistyped, used up or expired")]
    Invite,
    /// The invite's code was guessed wrongly too often.
    #[error("the invite's code was tried wrongly three times and is burned")]
    InviteBurned,
    /// Too much time passed between the steps, or the authority was restarted.
    #[error("the authority does not remember this exchange")]
    Retry,
    /// Another node has the name.
    #[error("another node has this name")]
    NameTaken,
    /// The key is enrolled under another name.
    #[error("this node's key is enrolled under another name")]
    KeyTaken,
    /// The request is not one that this project's nodes make.
    #[error("the other side found the request invalid")]
    Invalid,
    /// The other side's store or clock fails it.
    #[error("the other side cannot do it at the moment")]
    Unavailable,
    /// Policy does not grant it, or there is no such service: the two are not told apart.
    #[error("the other side's policy does not grant it")]
    Denied,
    /// The authority was asked whether the certificate is still good, and it did not say so.
    #[error("the certificate could not be confirmed with the authority")]
    NotConfirmed,
    /// There is no such node.
    #[error("there is no such node")]
    Unknown,
    /// The node's membership was taken away, and its key is not admitted again.
    #[error("this node's membership was revoked")]
    Revoked,
    /// The password is wrong, or there is none.
    #[error("the password is wrong")]
    Password,
    /// The password was guessed wrongly too often.
    #[error("the password was tried wrongly too often, and now it waits for a person")]
    PasswordLocked,
    /// The machine is not on the list, or has joined as another node: the two are not told apart.
    #[error("this machine is not on the authority's list, or has joined as another node")]
    Guid,
    /// A person has said no.
    #[error("the request was denied at the authority")]
    Refused,
    /// The log-in that a request is made with is not good, or not any more.
    #[error("the other side does not take the log-in")]
    LogIn,
    /// No such user, no such person, or another password: the three are not told apart.
    #[error("the user name or the password is wrong")]
    Credentials,
    /// Too many wrong passwords came from this node.
    #[error("too many wrong passwords came from this node")]
    TooManyGuesses,
    /// The password of a service's guests was guessed wrongly too often, and takes no guess for so many seconds.
    #[error("the password was tried wrongly too often")]
    GuestsRest(u32),
}

/// What the owner of a revoked node can do.
pub(crate) const REVOKED_REMEDY: &str =
    "ask whoever keeps the authority; a new start needs a new key: move this state directory away, then join";

impl Reject {
    /// The failure that the user who asked is shown.
    #[must_use]
    pub fn failure(self) -> Failure {
        let (code, remedy) = match self {
            Self::Busy | Self::Unavailable | Self::Retry => (Code::Failed, "try again in a moment"),
            Self::NotMember => (Code::Denied, "join the network first: `lanyard join`"),
            Self::NotAuthority => {
                (Code::Failed, "give the authority's address, as `lanyard invite --uri` prints it there")
            }
            Self::OtherNetwork => (Code::Denied, "ask for an invite of the network that you mean"),
            Self::Needed(admission) if admission.mentions(Mode::Invite) => (
                Code::Denied,
                "ask for a code: `lanyard invite` on the authority, then `lanyard join CODE` here",
            ),
            Self::Needed(_) => (Code::Denied, "give the password: `lanyard join … --password-file F`"),
            Self::NotLocal => (Code::Denied, "ask for an invite: `lanyard invite --uri` on the authority"),
            Self::Invite => {
                (Code::Denied, "check the spelling, or ask for a new one: `lanyard invite` on the authority")
            }
            Self::InviteBurned => (
                Code::Denied,
                "ask for a URI, which cannot be mistyped: `lanyard invite --uri` on the authority",
            ),
            Self::NameTaken => (Code::Denied, "choose another: `lanyard join … --name NAME`"),
            Self::KeyTaken => (Code::Denied, "join with the name that it was enrolled under"),
            Self::Invalid => (Code::Failed, "both sides must run the same version of lanyard"),
            Self::Denied => (Code::Denied, "ask whoever keeps the network's policy to grant it"),
            Self::NotConfirmed => (Code::Denied, "start the authority, or try again when it can be reached"),
            Self::Revoked => (Code::Denied, REVOKED_REMEDY),
            Self::Password => (Code::Denied, "check the spelling: case and spaces inside count"),
            Self::PasswordLocked => (
                Code::Denied,
                "have it set again: `lanyard admission password` on the authority; an invite needs none",
            ),
            Self::Guid => {
                (Code::Denied, "have it put there: `lanyard admission guid add GUID` on the authority")
            }
            Self::Refused => (Code::Denied, "ask whoever denied it; then join again"),
            Self::LogIn => (Code::Denied, "log in again: `lanyard login USER`"),
            Self::Credentials => (
                Code::Denied,
                "check the spelling of both; who uses a user of somebody else's says who: `--person NAME`",
            ),
            Self::TooManyGuesses => (Code::Denied, "wait ten minutes, then try again"),
            Self::GuestsRest(seconds) => return resting(self, seconds),
            Self::Unknown => (Code::NotFound, "see who is there: `lanyard peers`"),
        };
        let rule = if let Self::Needed(admission) = self { Some(admission) } else { None };
        Failure { rule, ..Failure::new(code, self.to_string(), remedy) }
    }
}

fn resting(reject: Reject, seconds: u32) -> Failure {
    let remedy = match seconds.div_ceil(60) {
        1 => "wait a minute, then try again".to_owned(),
        minutes if minutes < 120 => format!("wait {minutes} minutes, then try again"),
        minutes => format!("wait {} hours, then try again", minutes.div_ceil(60)),
    };
    Failure::new(Code::Denied, reject.to_string(), format!("{remedy}; or have a new password set there"))
}
