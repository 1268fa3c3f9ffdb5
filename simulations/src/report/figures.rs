//! The figures of a run in rows, as the terminal and the page show them.

use super::summary::{PolicyChange, Revocation, Summary, Total};
use super::words::{bytes, count, number, seconds};
use crate::measure::Spread;

/// What was run.
pub(super) fn title(summary: &Summary) -> String {
    let brief = &summary.brief;
    format!("{}: {} nodes, seed {}", summary.scenario, number(brief.nodes.into()), brief.seed)
}

/// A name and a figure in each row.
pub(super) fn rows(summary: &Summary) -> Vec<Vec<String>> {
    let brief = &summary.brief;
    let violations = match brief.violations.len() {
        0 => "none".to_owned(),
        found => count(found),
    };
    let rows = [
        ("virtual time", seconds(summary.virtual_s)),
        ("events", speed(brief.events, brief.wall_s)),
        ("enrolments", spread(&summary.enrolments)),
        ("channels opened", spread(&summary.channels.opened)),
        ("channels failed", failed(summary)),
        ("nodes started", number(summary.starts)),
        ("renewals", number(summary.renewals)),
        ("revocations", reach(&summary.revocations)),
        ("policy changes", count(summary.policies.len())),
        ("messages sent", total(&summary.sent.messages, number)),
        ("bytes sent", total(&summary.sent.bytes, |value| bytes(value as f64))),
        ("messages lost", number(summary.sent.lost)),
        ("violations", violations),
        ("trace", brief.trace_hash.clone()),
    ];
    let rows = rows.into_iter().map(|(name, figure)| vec![name.to_owned(), figure]);
    rows.chain(summary.policies.iter().map(policy)).collect()
}

fn speed(events: u64, wall_s: f64) -> String {
    // In range: both are positive, and a run that takes no time is as fast as one that takes a microsecond.
    let rate = (events as f64 / wall_s.max(1e-6)) as u64;
    format!("{}, {}/s in {}", number(events), number(rate), seconds(wall_s))
}

fn spread(spread: &Spread) -> String {
    if spread.count == 0 {
        return "none".to_owned();
    }
    format!("{}, {}", count(spread.count), times(spread))
}

fn times(spread: &Spread) -> String {
    let [median, p99, max] = [spread.median, spread.p99, spread.max].map(|millis| seconds(millis / 1000.0));
    format!("median {median}, p99 {p99}, longest {max}")
}

fn failed(summary: &Summary) -> String {
    let failed = &summary.channels.failed;
    if failed.is_empty() {
        return "none".to_owned();
    }
    let why: Vec<String> = failed.iter().map(|(why, times)| format!("{} {why}", number(*times))).collect();
    format!("{}: {}", number(failed.values().sum()), why.join(", "))
}

fn reach(revocations: &[Revocation]) -> String {
    if revocations.is_empty() {
        return "none".to_owned();
    }
    let members: usize = revocations.iter().map(|revocation| revocation.members).sum();
    let reached: usize = revocations.iter().map(|revocation| revocation.reached.count).sum();
    let slowest = revocations.iter().map(|revocation| revocation.reached.max).fold(0.0, f64::max);
    let share = format!("reached {} of {}", count(reached), count(members));
    format!("{}, {share}, within {}", count(revocations.len()), seconds(slowest / 1000.0))
}

/// What a change of the policy took.
fn policy(change: &PolicyChange) -> Vec<String> {
    let PolicyChange { version, members, reached, parts, messages, bytes: sent, .. } = change;
    let share = format!("reached {} of {}", count(reached.count), count(*members));
    let within = seconds(reached.max / 1000.0);
    let each = format!("a member's median {}, most {}", bytes(sent.median as f64), bytes(sent.most as f64));
    let figure = format!(
        "{share}, within {within}; {} parts at most, {} messages, {}, {each}",
        count(*parts),
        number(messages.total),
        bytes(sent.total as f64)
    );
    vec![format!("policy {version}"), figure]
}

fn total(total: &Total, shown: impl Fn(u64) -> String) -> String {
    let Total { total, median, most, whose } = total;
    format!("{}, a node's median {}, most {} by {whose}", shown(*total), shown(*median), shown(*most))
}
