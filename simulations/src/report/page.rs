//! The page: one HTML file without scripts, which is well-formed XML too.

use core::fmt::Write as _;

use super::plot::{STYLE, escape};
use super::{Report, figures};
use crate::reference::Violation;

/// Steps of a violation that the page shows: the last ones.
const STEPS: usize = 200;

const PAGE_STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:15px/1.5 system-ui,sans-serif;max-width:84rem;margin:2rem auto;padding:0 1rem;color:#1f2328;background:#fff}\
h1{font-size:1.6rem;margin-bottom:.3rem}h2{font-size:1.2rem;margin-top:2rem}\
table{border-collapse:collapse}\
td,th{padding:.2rem 1.5rem .2rem 0;text-align:left;vertical-align:top;border-bottom:1px solid #d1d9e0}\
th{font-weight:600}td{font-variant-numeric:tabular-nums;overflow-wrap:anywhere}\
.plots{display:flex;flex-wrap:wrap;gap:1.5rem;margin-top:1.5rem}\
.bad{color:#d1242f}\
@media (prefers-color-scheme:dark){body{color:#f0f6fc;background:#0d1117}\
td,th{border-color:#3d444d}.bad{color:#f85149}}";

pub(super) fn page(report: &Report<'_>) -> String {
    let summary = report.summary();
    let title = escape(&figures::title(&summary));
    let mut page = format!(
        "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n\
         <meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width\"/>\n\
         <title>{title}</title>\n<style>{PAGE_STYLE}{STYLE}</style>\n</head>\n<body>\n\
         <h1>{title}</h1>\n<p>{}</p>\n",
        escape(report.scenario.about.trim())
    );
    violations(&mut page, report);
    page.push_str("<table>\n");
    for row in figures::rows(&summary) {
        cells(&mut page, ["th", "td"].into_iter().zip(&row));
    }
    page.push_str("</table>\n<div class=\"plots\">\n");
    for plot in report.plots() {
        page.push_str(&plot.inline());
    }
    let _ = write!(
        page,
        "</div>\n<p>{}. Everything but the duration follows from the scenario and the seed.</p>\n</body>\n</html>\n",
        escape(&summary.program)
    );
    page
}

/// What is not as it ought to be, and what led there.
fn violations(page: &mut String, report: &Report<'_>) {
    let outcome = report.outcome;
    if outcome.violations.is_empty() {
        return;
    }
    page.push_str("<h2 class=\"bad\">Not as it ought to be</h2>\n<table>\n");
    headings(page, &["time", "invariant", "hosts", "what"]);
    for Violation { invariant, at, what, hosts } in &outcome.violations {
        let hosts: Vec<String> = hosts.iter().map(|host| outcome.roster.name(*host)).collect();
        row(page, &[at.to_string(), invariant.to_string(), hosts.join(", "), what.clone()]);
    }
    let _ = write!(page, "</table>\n<h2>The last steps of these hosts</h2>\n<table>\n");
    headings(page, &["time", "host", "what", "with", "size"]);
    for step in outcome.steps.iter().skip(outcome.steps.len().saturating_sub(STEPS)) {
        let with = step.with.map(|host| outcome.roster.name(host)).unwrap_or_default();
        let (host, what) = (outcome.roster.name(step.host), step.what.to_owned());
        row(page, &[step.at.to_string(), host, what, with, step.size.to_string()]);
    }
    page.push_str("</table>\n<h2>Figures</h2>\n");
}

fn headings(page: &mut String, names: &[&str]) {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    cells(page, names.iter().map(|name| ("th", name)));
}

fn row(page: &mut String, values: &[String]) {
    cells(page, values.iter().map(|value| ("td", value)));
}

fn cells<'a>(page: &mut String, cells: impl Iterator<Item = (&'static str, &'a String)>) {
    page.push_str("<tr>");
    for (tag, text) in cells {
        let _ = write!(page, "<{tag}>{}</{tag}>", escape(text));
    }
    page.push_str("</tr>\n");
}
