//! What there is to be seen of a run.

use core::time::Duration;

use super::plot::{Axis, Line, Plot, Unit};
use crate::measure::Reach;
use crate::moment::Moment;
use crate::run::Outcome;

/// Points of a line: more cannot be seen.
const POINTS: usize = 300;

/// The plots of a run: none of what has not happened.
pub(super) fn plots(outcome: &Outcome) -> Vec<Plot> {
    let plots = [
        enrolments(outcome),
        revocations(outcome),
        policies(outcome),
        channels(outcome),
        latencies(outcome),
        per_node(outcome, "messages", Unit::Count, |meter| meter.messages),
        per_node(outcome, "bytes", Unit::Bytes, |meter| meter.bytes),
    ];
    plots.into_iter().flatten().collect()
}

fn enrolments(outcome: &Outcome) -> Option<Plot> {
    let enrolled = outcome.measure.enrolments.iter().map(|(at, _)| *at);
    over_time(outcome, "enrolments", "Enrolments", "nodes", vec![grown("", enrolled, outcome.ended)])
}

fn channels(outcome: &Outcome) -> Option<Plot> {
    let opened = outcome.measure.opened.iter().map(|(at, _)| *at);
    let failed = outcome.measure.failures.iter().copied();
    let lines = vec![grown("opened", opened, outcome.ended), grown("failed", failed, outcome.ended)];
    over_time(outcome, "channels", "Channels", "channels", lines)
}

/// Counts that grow while the run goes on.
fn over_time(
    outcome: &Outcome,
    name: &'static str,
    title: &str,
    counted: &str,
    lines: Vec<Option<Line>>,
) -> Option<Plot> {
    let most =
        lines.iter().flatten().filter_map(|line| line.points.last()).map(|(_, y)| *y).fold(0.0, f64::max);
    plot(Plot {
        name,
        title: format!("{title} over time"),
        x: Axis::linear("virtual time", Unit::Seconds, outcome.ended.elapsed().as_secs_f64()),
        y: Axis::linear(counted, Unit::Count, most).rounded(),
        lines: lines.into_iter().flatten().collect(),
    })
}

fn grown(label: &str, times: impl Iterator<Item = Moment>, end: Moment) -> Option<Line> {
    let mut times: Vec<f64> = times.map(|at| at.elapsed().as_secs_f64()).collect();
    times.sort_by(f64::total_cmp);
    let count = times.len();
    let mut points = vec![(0.0, 0.0)];
    points.extend(thinned(count).map(|place| (times[place], (place + 1) as f64)));
    points.push((end.elapsed().as_secs_f64(), count as f64));
    (count > 0).then(|| Line { label: label.to_owned(), points, steps: true })
}

/// Which share of the members knows of a revocation, after it was ordered.
fn revocations(outcome: &Outcome) -> Option<Plot> {
    let all = outcome.measure.revocations.values();
    reach("revocations", ["Members that know of a revocation", "all revocations"], all)
}

/// Which share of the members goes by a change of the policy, after it was ordered.
fn policies(outcome: &Outcome) -> Option<Plot> {
    let all = outcome.measure.policies.values().map(|change| &change.reach);
    reach("policies", ["Members that go by a change of the policy", "all changes"], all)
}

fn reach<'a>(
    name: &'static str,
    [title, together]: [&str; 2],
    all: impl Iterator<Item = &'a Reach>,
) -> Option<Plot> {
    let all: Vec<&Reach> = all.filter(|reach| !reach.after.is_empty()).collect();
    let slowest =
        all.iter().copied().max_by_key(|reach| (!reach.waiting.is_empty(), reach.after.iter().max()));
    let lines = match slowest {
        Some(slowest) if all.len() > 1 => {
            vec![spread(together, &all), spread("the slowest", &[slowest])]
        }
        _ => vec![spread("", &all)],
    };
    let times: Vec<f64> = lines.iter().flat_map(|line| &line.points).map(|(x, _)| *x).collect();
    plot(Plot {
        name,
        title: title.to_owned(),
        x: Axis::fitting("since the order", Unit::Seconds, times.into_iter()),
        y: Axis::linear("share of the members that ran then", Unit::Percent, 100.0),
        lines,
    })
}

fn spread(label: &str, of: &[&Reach]) -> Line {
    let mut times: Vec<f64> = of.iter().flat_map(|reach| &reach.after).map(Duration::as_secs_f64).collect();
    times.sort_by(f64::total_cmp);
    let members = of.iter().map(|reach| reach.members()).sum::<usize>().max(1) as f64;
    let mut points = vec![(0.0, 0.0)];
    points.extend(thinned(times.len()).map(|place| (times[place], (place + 1) as f64 / members * 100.0)));
    if times.is_empty() {
        points.clear();
    }
    Line { label: label.to_owned(), points, steps: true }
}

fn latencies(outcome: &Outcome) -> Option<Plot> {
    let lines = vec![
        percentiles("enrolment", &outcome.measure.enrolments),
        percentiles("opening a channel", &outcome.measure.opened),
    ];
    let times: Vec<f64> = lines.iter().flat_map(|line| &line.points).map(|(_, y)| *y).collect();
    plot(Plot {
        name: "latencies",
        title: "How long users waited".to_owned(),
        x: Axis::linear("share of users who waited no longer", Unit::Percent, 100.0),
        y: Axis::fitting("waited", Unit::Seconds, times.into_iter()),
        lines,
    })
}

fn percentiles(label: &str, durations: &[(Moment, Duration)]) -> Line {
    let mut sorted: Vec<f64> = durations.iter().map(|(_, took)| took.as_secs_f64()).collect();
    sorted.sort_by(f64::total_cmp);
    let count = sorted.len() as f64;
    let points = thinned(sorted.len()).map(|place| ((place + 1) as f64 / count * 100.0, sorted[place]));
    Line { label: label.to_owned(), points: points.collect(), steps: false }
}

/// What each node has sent, those with the most first.
fn per_node(
    outcome: &Outcome,
    what: &'static str,
    unit: Unit,
    of: impl Fn(&crate::port::Meter) -> u64,
) -> Option<Plot> {
    let mut sent: Vec<f64> = outcome.meters.iter().map(|meter| of(meter) as f64).collect();
    sent.sort_by(|one, other| other.total_cmp(one));
    let points: Vec<(f64, f64)> =
        thinned(sent.len()).map(|place| ((place + 1) as f64, sent[place])).collect();
    plot(Plot {
        name: what,
        title: format!("Sent by each node: {what}"),
        x: Axis::linear("nodes, those that sent the most first", Unit::Count, sent.len() as f64),
        y: Axis::fitting(what, unit, sent.iter().copied()),
        lines: vec![Line { label: String::new(), points, steps: false }],
    })
}

/// A plot, if anything is on it.
fn plot(mut plot: Plot) -> Option<Plot> {
    plot.lines.retain(|line| !line.points.is_empty());
    (!plot.lines.is_empty()).then_some(plot)
}

/// Places in a list of so many, of which the first and the last are never left out.
fn thinned(count: usize) -> impl Iterator<Item = usize> {
    let shown = count.min(POINTS);
    (0..shown).map(move |number| if number == 0 { 0 } else { number * (count - 1) / (shown - 1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_thinned_and_keep_their_ends() {
        assert_eq!(thinned(0).count(), 0);
        assert_eq!(thinned(3).collect::<Vec<_>>(), [0, 1, 2]);
        let places: Vec<usize> = thinned(10_000).collect();
        assert_eq!((places.len(), places[0], places[POINTS - 1]), (POINTS, 0, 9999));
        assert!(places.is_sorted());
    }

    #[test]
    fn a_count_begins_at_nothing_and_stays_at_the_end() {
        let times = [2, 1].map(|second| Moment::at(Duration::from_secs(second)));
        let line = grown("", times.into_iter(), Moment::at(Duration::from_secs(5))).unwrap();
        assert_eq!(line.points, [(0.0, 0.0), (1.0, 1.0), (2.0, 2.0), (5.0, 2.0)]);
        assert!(grown("", core::iter::empty(), Moment::default()).is_none());
    }

    #[test]
    fn members_that_were_not_reached_count() {
        let reach = Reach {
            after: vec![Duration::from_secs(1)],
            waiting: [crate::event::HostId(7)].into(),
            ..Reach::default()
        };
        assert_eq!(spread("", &[&reach]).points, [(0.0, 0.0), (1.0, 50.0)]);
    }
}
