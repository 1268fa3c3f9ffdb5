//! Axes, and where their ticks are.

use crate::report::words;

/// Ticks on an axis, about.
const TICKS: f64 = 6.0;

/// Steps between two ticks of a time axis, in seconds.
const STEPS: [f64; 24] = [
    1.0,
    2.0,
    5.0,
    10.0,
    15.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
    900.0,
    1800.0,
    3600.0,
    7200.0,
    10_800.0,
    21_600.0,
    43_200.0,
    86_400.0,
    172_800.0,
    432_000.0,
    864_000.0,
    2_592_000.0,
    8_640_000.0,
    31_536_000.0,
];

/// What an axis counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) enum Unit {
    /// Things.
    Count,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Hundredths.
    Percent,
}

/// An axis, from one value to another.
#[derive(Clone, Debug)]
pub(in crate::report) struct Axis {
    /// What it is of.
    pub(super) label: String,
    unit: Unit,
    from: f64,
    to: f64,
    logarithmic: bool,
}

impl Axis {
    /// An axis from 0 to `to` at least.
    pub(in crate::report) fn linear(label: &str, unit: Unit, to: f64) -> Self {
        let to = if to > 0.0 { to } else { 1.0 };
        Self { label: label.to_owned(), unit, from: 0.0, to, logarithmic: false }
    }

    /// An axis of powers of ten, which has `from` and `to` on it.
    pub(in crate::report) fn logarithmic(label: &str, unit: Unit, from: f64, to: f64) -> Self {
        let from = from.max(1e-9).log10().floor();
        let to = to.max(1e-9).log10().ceil().max(from + 1.0);
        Self { label: label.to_owned(), unit, from: 10f64.powf(from), to: 10f64.powf(to), logarithmic: true }
    }

    /// An axis on which small and large ones of `values` can be told apart: of powers of ten if they differ much.
    pub(in crate::report) fn fitting(label: &str, unit: Unit, values: impl Iterator<Item = f64>) -> Self {
        let (from, to) = values
            .filter(|value| *value > 0.0)
            .fold((f64::INFINITY, 0.0), |(from, to): (f64, f64), value| (from.min(value), to.max(value)));
        if to / from > 30.0 {
            Self::logarithmic(label, unit, from, to)
        } else {
            Self::linear(label, unit, to).rounded()
        }
    }

    /// The axis, up to a tick.
    pub(in crate::report) fn rounded(self) -> Self {
        let step = self.step();
        Self { to: (self.to / step - 1e-9).ceil() * step, ..self }
    }

    /// Where a value is, from 0 at the one end to 1 at the other.
    pub(super) fn place(&self, value: f64) -> f64 {
        let place = if self.logarithmic {
            (value.max(self.from) / self.from).log10() / (self.to / self.from).log10()
        } else {
            (value - self.from) / (self.to - self.from)
        };
        place.clamp(0.0, 1.0)
    }

    /// Values that are written at the axis, and how.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let values: Vec<f64> = if self.logarithmic {
            core::iter::successors(Some(self.from), |value| Some(value * 10.0))
                .take_while(|value| *value < self.to * 1.5)
                .collect()
        } else {
            let step = self.step();
            let count = (self.to / step + 1e-9).floor();
            // In range: about as many as TICKS.
            (0..=count as u32).map(|number| f64::from(number) * step).collect()
        };
        values.into_iter().map(|value| (value, self.written(value))).collect()
    }

    /// The distance of two ticks.
    fn step(&self) -> f64 {
        let least = self.to / TICKS;
        if self.unit == Unit::Seconds && least > 0.5 {
            return STEPS.into_iter().find(|step| *step >= least).unwrap_or(least);
        }
        let power = 10f64.powf(least.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|digit| digit * power).find(|step| *step >= least);
        let step = step.unwrap_or(least);
        // There is no half a node.
        if self.unit == Unit::Count { step.max(1.0) } else { step }
    }

    fn written(&self, value: f64) -> String {
        match self.unit {
            // In range: it is a count.
            Unit::Count => words::number(value.round() as u64),
            Unit::Bytes => words::bytes(value),
            Unit::Percent => format!("{value:.0} %"),
            Unit::Seconds if value == 0.0 => "0".to_owned(),
            // All in one unit, but on an axis of powers of ten.
            Unit::Seconds => match self.step() {
                _ if self.logarithmic => words::seconds(value),
                step if step >= 86_400.0 => format!("{} d", value / 86_400.0),
                step if step >= 3600.0 => format!("{} h", value / 3600.0),
                step if step >= 60.0 => format!("{} min", value / 60.0),
                step if step >= 1.0 => format!("{value} s"),
                _ => words::seconds(value),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_at_round_numbers() {
        let axis = Axis::linear("", Unit::Count, 437.0).rounded();
        assert_eq!(labels(&axis), ["0", "100", "200", "300", "400", "500"]);
        assert_eq!(labels(&Axis::linear("", Unit::Count, 2.0)), ["0", "1", "2"]);
        assert_eq!(
            labels(&Axis::linear("", Unit::Percent, 100.0)),
            ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]
        );
    }

    #[test]
    fn time_is_told_in_minutes_and_hours() {
        let minute = Axis::linear("", Unit::Seconds, 60.0);
        assert_eq!(labels(&minute), ["0", "10 s", "20 s", "30 s", "40 s", "50 s", "60 s"]);
        let half = Axis::linear("", Unit::Seconds, 1800.0);
        assert_eq!(labels(&half), ["0", "5 min", "10 min", "15 min", "20 min", "25 min", "30 min"]);
        let three = labels(&Axis::linear("", Unit::Seconds, 180.0));
        assert_eq!(three.last().unwrap(), "180 s", "in the unit of the others");
        let little = Axis::linear("", Unit::Seconds, 0.03);
        assert_eq!(labels(&little), ["0", "5 ms", "10 ms", "15 ms", "20 ms", "25 ms", "30 ms"]);
    }

    #[test]
    fn what_differs_much_is_on_an_axis_of_powers_of_ten() {
        let axis = Axis::fitting("", Unit::Bytes, [0.0, 2_000.0, 900_000.0].into_iter());
        assert_eq!(labels(&axis), ["1 kB", "10 kB", "100 kB", "1 MB"]);
        assert!((axis.place(10_000.0) - 1.0 / 3.0).abs() < 1e-9);
        assert!(axis.place(0.0).abs() < 1e-9, "nothing is at its foot");
    }

    #[test]
    fn an_axis_of_nothing_is_an_axis() {
        assert_eq!(labels(&Axis::fitting("", Unit::Count, core::iter::empty())), ["0", "1"]);
    }
}
