//! What a scenario makes happen.

use core::time::Duration;
use std::collections::BTreeSet;

use lanyard_protocol::certificate::SKEW;
use lanyard_protocol::control::{ApplyPolicy, ChangeUser, Command, Password, Revoke, UserChange};

use super::Run;
use super::agenda::Item;
use crate::event::{HostId, Wish};
use crate::link::{pick, up_to};
use crate::scenario::{Ending, What};
use crate::world::Kept;

impl Run {
    pub(super) fn step(&mut self, number: usize) {
        match self.scenario.at[number].what.clone() {
            What::Cut { who, lasts } => {
                let apart: BTreeSet<HostId> = self.roster.select(&who, &mut self.rng).into_iter().collect();
                self.cut(|host| u16::from(apart.contains(&host)));
                if let Some(lasts) = lasts {
                    self.agenda.add(self.world.now().after(lasts.0), Item::Heal);
                }
            }
            What::Heal => self.heal(),
            What::Revoke { who } => {
                for host in self.roster.select(&who, &mut self.rng) {
                    self.revoke(host);
                }
            }
            What::End { who, how, back } => {
                for host in self.roster.select(&who, &mut self.rng) {
                    self.end(host, how);
                    if let Some(back) = back {
                        self.agenda.add(self.world.now().after(back.0), Item::Start(host));
                    }
                }
            }
            What::Start { who } => {
                for host in self.roster.select(&who, &mut self.rng) {
                    self.start(host);
                }
            }
            What::Clock { who, by } => {
                for host in self.roster.select(&who, &mut self.rng) {
                    self.set_clock(host, by.millis);
                }
            }
            What::Link { who, link } => {
                let Ok(link) = link.link() else { return };
                for host in self.roster.select(&who, &mut self.rng) {
                    self.world.set_link(host, link);
                }
            }
            What::Full { who, lasts } => {
                for host in self.roster.select(&who, &mut self.rng) {
                    self.set_room(host, false);
                    self.agenda.add(self.world.now().after(lasts.0), Item::Room(host));
                }
            }
            What::Renew { who } => {
                for host in self.roster.select(&who, &mut self.rng) {
                    self.command(host, Command::Renew);
                }
            }
            What::Policy(change) => {
                let apply = ApplyPolicy { text: change.text(number), based_on: None };
                self.change_policy(Command::ApplyPolicy(apply));
            }
            What::User { user, roles } => {
                let Ok(password) = Password::new(&format!("the password of {user}")) else { return };
                let change = UserChange::Add { roles, person: None, password, weak: true };
                self.change_policy(Command::ChangeUser(ChangeUser { user, local: false, change }));
            }
            What::Role { user, role, given } => {
                let change = UserChange::SetRole { role, given };
                self.change_policy(Command::ChangeUser(ChangeUser { user, local: false, change }));
            }
            What::Reach { who, others, within } => {
                let hosts = self.roster.select(&who, &mut self.rng);
                self.reach(&hosts, others, within.0);
            }
        }
    }

    fn cut(&mut self, side: impl Fn(HostId) -> u16) {
        self.world.cut(&side);
        let at = self.world.now();
        for host in self.world.hosts() {
            self.reference.set_side(host, side(host), at);
        }
    }

    pub(super) fn heal(&mut self) {
        self.cut(|_| 0);
    }

    fn revoke(&mut self, host: HostId) {
        let at = self.world.now();
        let Ok(peer) = self.roster.name(host).parse() else { return };
        if !self.reference.is_member(host) {
            return;
        }
        self.orders += 1;
        let command = Command::Revoke(Revoke { peer, reason: None, wait_ms: 0 });
        if self.world.order(HostId(0), at, self.orders, Wish::Command(Box::new(command))) {
            self.reference.ordered_revocation(self.orders, host, at);
            self.measure.ordered_revocation(self.orders, host, at);
        }
    }

    /// Has the authority do what everybody may have to hear of with the policy.
    fn change_policy(&mut self, command: Command) {
        let at = self.world.now();
        self.orders += 1;
        if self.world.order(HostId(0), at, self.orders, Wish::Command(Box::new(command))) {
            self.reference.ordered_policy(self.orders, at);
            self.measure.ordered_policy(self.orders, at);
        }
    }

    fn end(&mut self, host: HostId, how: Ending) {
        match how {
            Ending::Stop => self.world.crash(host, Kept::All, false),
            Ending::Kill => self.world.crash(host, Kept::Some, false),
            Ending::PowerCut => self.world.crash(host, Kept::None, true),
        }
    }

    fn set_clock(&mut self, host: HostId, by: i64) {
        let at = self.world.now();
        self.world.set_clock(host, by);
        let right = self.world.clock_error(host) < SKEW / 2;
        self.reference.set_clock(host, right, at);
    }

    pub(super) fn set_room(&mut self, host: HostId, room: bool) {
        self.world.set_room(host, room);
        self.reference.set_disk(host, room, self.world.now());
    }

    fn reach(&mut self, hosts: &[HostId], others: u32, within: Duration) {
        let now = self.world.now();
        for host in hosts.iter().copied().filter(|host| self.reference.is_member(*host)).collect::<Vec<_>>() {
            for _ in 0..others {
                let peer = hosts[pick(hosts.len(), &mut self.rng)];
                let at = now.after(up_to(within, &mut self.rng));
                if peer != host && self.reference.is_member(peer) {
                    self.open(host, peer, "chat", Duration::from_secs(1), at);
                }
            }
        }
    }

    pub(super) fn churn_down(&mut self, number: usize, host: HostId) {
        let churn = self.scenario.churn[number].clone();
        if self.reference.is_up(host) {
            self.end(host, churn.how);
        }
        let down = up_to(churn.down.0 * 2, &mut self.rng);
        self.agenda.add(self.world.now().after(down), Item::Up(number, host));
    }

    pub(super) fn churn_up(&mut self, number: usize, host: HostId) {
        let churn = self.scenario.churn[number].clone();
        self.start(host);
        let up = up_to(churn.up.0 * 2, &mut self.rng);
        self.agenda.add(self.world.now().after(up), Item::Down(number, host));
    }
}
