//! What a node keeps: tables of records, and the writes that change them.

/// The tables of a node's store. A table's number is part of the store's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Table {
    /// The node's own secret keys.
    Keys = 1,
    /// The node's certificate, its network and the time it has seen signed.
    Membership = 2,
    /// The CA key, its certificate and the admission rules: on an authority only.
    Authority = 3,
    /// Invites that were given out, by what identifies them: on an authority only.
    Invites = 4,
    /// Who was enrolled, by name: on an authority only.
    Enrolments = 5,
    /// Certificates and addresses of peers, by node id.
    Peers = 6,
    /// Tickets that this node holds, by provider and service.
    Tickets = 7,
    /// Chat messages, by peer and number.
    Chat = 8,
    /// Chat messages that a peer has yet to confirm, by peer and number.
    Outbox = 9,
    /// Revocations by node, and the head of their list.
    Revocations = 10,
    /// Keys that are never admitted again, by node: on an authority only.
    Denied = 11,
    /// The network's policy: its head and its parts.
    Policy = 12,
    /// Services that the node's user offers, by name.
    Services = 13,
    /// How far the audit log has come.
    Audit = 14,
    /// The network's users, by name: on an authority only.
    Users = 15,
    /// The users of this node's own, by name.
    LocalUsers = 16,
    /// The passwords of services that guests use, and the wrong guesses, by the service's name.
    Guests = 17,
}

impl Table {
    /// Every table, in order of its number.
    pub const ALL: [Self; 17] = [
        Self::Keys,
        Self::Membership,
        Self::Authority,
        Self::Invites,
        Self::Enrolments,
        Self::Peers,
        Self::Tickets,
        Self::Chat,
        Self::Outbox,
        Self::Revocations,
        Self::Denied,
        Self::Policy,
        Self::Services,
        Self::Audit,
        Self::Users,
        Self::LocalUsers,
        Self::Guests,
    ];

    /// The table's name, for people who must be told which one is damaged.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Membership => "membership",
            Self::Authority => "authority",
            Self::Invites => "invites",
            Self::Enrolments => "enrolments",
            Self::Peers => "peers",
            Self::Tickets => "tickets",
            Self::Chat => "chat",
            Self::Outbox => "outbox",
            Self::Revocations => "revocations",
            Self::Denied => "denied",
            Self::Policy => "policy",
            Self::Services => "services",
            Self::Users => "users",
            Self::LocalUsers => "local users",
            Self::Audit => "audit",
            Self::Guests => "guests",
        }
    }
}

impl Table {
    /// Whether an export of a node's state holds the table, and a restored state may.
    ///
    /// An invite that was used after the export was made would come back to life. A held ticket is worth less
    /// than what it costs to carry it about: the provider mints another. Key rings are in no table at all. An audit log
    /// stays where it was written, and a restored node begins one of its own.
    #[must_use]
    pub const fn is_exported(self) -> bool {
        match self {
            Self::Keys
            | Self::Membership
            | Self::Authority
            | Self::Enrolments
            | Self::Peers
            | Self::Chat
            | Self::Outbox
            | Self::Revocations
            | Self::Denied
            | Self::Policy
            | Self::Services
            | Self::Users
            | Self::LocalUsers
            | Self::Guests => true,
            Self::Invites | Self::Tickets | Self::Audit => false,
        }
    }
}

/// One record to set or to erase. Writes that are committed together are applied together or not at all.
#[derive(Clone, PartialEq, Eq)]
pub struct Write {
    /// The table.
    pub table: Table,
    /// The key: at most 255 bytes.
    pub key: Vec<u8>,
    /// The new value, or nothing to erase the record. At most 64 KiB.
    pub value: Option<Vec<u8>>,
}

impl Write {
    /// Sets the record at `key`.
    #[must_use]
    pub fn set(table: Table, key: impl Into<Vec<u8>>, value: Vec<u8>) -> Self {
        Self { table, key: key.into(), value: Some(value) }
    }

    /// Erases the record at `key`, if there is one.
    #[must_use]
    pub fn erase(table: Table, key: impl Into<Vec<u8>>) -> Self {
        Self { table, key: key.into(), value: None }
    }
}

/// Values are secret more often than not: only their length is shown.
impl core::fmt::Debug for Write {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let size = self.value.as_ref().map(Vec::len);
        f.debug_struct("Write").field("table", &self.table).field("value_len", &size).finish_non_exhaustive()
    }
}

/// One record as it was read.
pub struct Record {
    /// The table.
    pub table: Table,
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
}

/// The most bytes of a record's key.
pub const KEY_MAX: usize = 255;

/// The most bytes of a record's value: the database keeps larger ones in files of their own, which it does not
/// make durable.
pub const VALUE_MAX: usize = 64 * 1024;
