//! Plots as SVG, which need nothing else to be seen.

mod axis;

use core::fmt::Write as _;

pub(super) use self::axis::{Axis, Unit};

/// The size of a plot, and of what it is drawn in.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 606.0;
const TOP: f64 = 58.0;
const BOTTOM: f64 = 270.0;

/// How plots look, in light and in dark.
pub(super) const STYLE: &str = "\
.plot{font:13px system-ui,sans-serif;max-width:100%;height:auto}\
.plot .paper{fill:#fff}.plot text{fill:#1f2328}.plot .label{fill:#59636e}.plot .title{font-weight:600;font-size:15px}\
.plot .grid{stroke:#d1d9e0}.plot .axis{stroke:#59636e}\
.plot .line{fill:none;stroke-width:2;stroke-linejoin:round}.plot .key{stroke-width:3}\
.plot .s0{stroke:#0969da}.plot .s1{stroke:#bc4c00}\
@media (prefers-color-scheme:dark){\
.plot .paper{fill:#0d1117}.plot text{fill:#f0f6fc}.plot .label{fill:#9198a1}\
.plot .grid{stroke:#3d444d}.plot .axis{stroke:#9198a1}\
.plot .s0{stroke:#4493f8}.plot .s1{stroke:#f0883e}}";

/// Lines over two axes.
#[derive(Clone, Debug)]
pub struct Plot {
    /// Its name, for a file.
    pub name: &'static str,
    /// What it shows.
    pub(super) title: String,
    /// To the right.
    pub(super) x: Axis,
    /// Upwards.
    pub(super) y: Axis,
    /// The lines: two at the most, for there are as many colours.
    pub(super) lines: Vec<Line>,
}

/// A line of a plot.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// What it is of; nothing if the title says it.
    pub(super) label: String,
    /// Where it goes, from the left to the right.
    pub(super) points: Vec<(f64, f64)>,
    /// Whether it goes in steps: a count that grows.
    pub(super) steps: bool,
}

impl Plot {
    /// The plot as a file of its own.
    #[must_use]
    pub fn file(&self) -> String {
        self.svg(&format!("<style>{STYLE}</style>"))
    }

    /// The plot as a part of a page that has the style.
    pub(super) fn inline(&self) -> String {
        self.svg("")
    }

    fn svg(&self, style: &str) -> String {
        let title = escape(&self.title);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
             viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\"><title>{title}</title>{style}\
             <rect class=\"paper\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\"/>\n"
        );
        text(&mut svg, "title", (16.0, 24.0), "start", &self.title);
        self.draw_axes(&mut svg);
        self.draw_key(&mut svg);
        for (number, line) in self.lines.iter().enumerate() {
            let path = self.path(line);
            let _ = writeln!(svg, "<path class=\"line s{number}\" d=\"{path}\"/>");
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn draw_axes(&self, svg: &mut String) {
        for (at, label) in self.y.ticks() {
            let y = self.height(at);
            line(svg, "grid", (LEFT, y), (RIGHT, y));
            text(svg, "label", (LEFT - 8.0, y + 4.0), "end", &label);
        }
        for (at, label) in self.x.ticks() {
            let x = self.width(at);
            line(svg, "axis", (x, BOTTOM), (x, BOTTOM + 5.0));
            text(svg, "label", (x, BOTTOM + 20.0), "middle", &label);
        }
        line(svg, "axis", (LEFT, BOTTOM), (RIGHT, BOTTOM));
        text(svg, "label", (16.0, TOP - 14.0), "start", &self.y.label);
        text(svg, "label", (RIGHT, BOTTOM + 40.0), "end", &self.x.label);
    }

    /// Which line is which.
    fn draw_key(&self, svg: &mut String) {
        let mut x = RIGHT;
        for (number, of) in self.lines.iter().enumerate().rev().filter(|(_, of)| !of.label.is_empty()) {
            // Letters are about half as wide as they are high.
            x -= 7.0 * of.label.chars().count() as f64;
            text(svg, "label", (x, TOP - 14.0), "start", &of.label);
            line(svg, &format!("key s{number}"), (x - 24.0, TOP - 18.0), (x - 6.0, TOP - 18.0));
            x -= 44.0;
        }
    }

    fn path(&self, line: &Line) -> String {
        let mut path = String::new();
        for (place, (x, y)) in line.points.iter().enumerate() {
            let (x, y) = (self.width(*x), self.height(*y));
            let _ = match (place, line.steps) {
                (0, _) => write!(path, "M{x:.1} {y:.1}"),
                (_, true) => write!(path, "H{x:.1}V{y:.1}"),
                (_, false) => write!(path, "L{x:.1} {y:.1}"),
            };
        }
        path
    }

    fn width(&self, x: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * self.x.place(x)
    }

    fn height(&self, y: f64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * self.y.place(y)
    }
}

fn line(svg: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = writeln!(
        svg,
        "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
    );
}

fn text(svg: &mut String, class: &str, at: (f64, f64), anchor: &str, text: &str) {
    let ((x, y), text) = (at, escape(text));
    let _ = writeln!(
        svg,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
    );
}

/// `text` as content of an element or an attribute of HTML and SVG, where it is nothing but text.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // They are no characters of XML.
            control if control.is_control() && !matches!(control, '\n' | '\t') => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot() -> Plot {
        Plot {
            name: "test",
            title: "a < b".to_owned(),
            x: Axis::linear("time", Unit::Seconds, 60.0),
            y: Axis::linear("nodes", Unit::Count, 100.0),
            lines: vec![Line {
                label: "x".to_owned(),
                points: vec![(0.0, 0.0), (30.0, 50.0), (60.0, 100.0)],
                steps: false,
            }],
        }
    }

    #[test]
    fn a_line_goes_from_corner_to_corner() {
        let svg = plot().inline();
        assert!(svg.contains("d=\"M72.0 270.0L339.0 164.0L606.0 58.0\""), "{svg}");
    }

    #[test]
    fn a_count_goes_in_steps() {
        let mut plot = plot();
        plot.lines[0].steps = true;
        assert!(plot.inline().contains("d=\"M72.0 270.0H339.0V164.0H606.0V58.0\""));
    }

    /// H4: text is text.
    #[test]
    fn names_are_escaped() {
        assert!(plot().file().contains("<title>a &lt; b</title>"));
        assert_eq!(escape("<\u{1b}&'\">"), "&lt;\u{fffd}&amp;&#39;&quot;&gt;");
    }

    #[test]
    fn lines_with_a_label_have_a_key() {
        let mut plot = plot();
        plot.lines[0].label = String::new();
        assert!(!plot.inline().contains("key"));
        plot.lines[0].label = "x".to_owned();
        plot.lines.push(plot.lines[0].clone());
        assert_eq!(plot.inline().matches("class=\"key").count(), 2);
    }
}
