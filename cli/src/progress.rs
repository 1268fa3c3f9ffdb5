//! Progress of a transfer: a bar on a terminal, nothing elsewhere.

use indicatif::{ProgressBar, ProgressStyle};

use crate::host;
use crate::printer::{Printer, escaped};

/// From how many bytes on there is a bar: below, it would only flicker.
const LARGE: u64 = 64 << 20;

/// How many bytes lie between two looks at the bar.
const BAR_EVERY: u64 = 4 << 20;

/// Moves a bar for the file `name` on a terminal, if it is known to be large, whenever it is told how many bytes there
/// are.
pub(crate) fn follow(printer: &Printer, name: String, total: Option<u64>) -> impl FnMut(u64) + Send + use<> {
    let total = total.filter(|size| *size >= LARGE);
    let began = host::monotonic();
    let bar = total.map(|total| (Progress::new(printer), total));
    let mut shown = 0;
    move |bytes| {
        let Some((bar, total)) = &bar else { return };
        if bytes >= shown + BAR_EVERY {
            shown = bytes;
            let rate = bytes as f64 / began.elapsed().as_secs_f64().max(0.001);
            bar.show(&name, bytes, *total, rate as u64);
        }
    }
}

/// The bar of one file at a time.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// A bar, if the printer shows any.
    pub(crate) fn new(printer: &Printer) -> Self {
        Self { bar: printer.shows_progress().then(bar) }
    }

    /// `bytes` of `total` of the file `name` are there, at `rate` bytes per second.
    pub(crate) fn show(&self, name: &str, bytes: u64, total: u64, rate: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_message(escaped(name).into_owned());
            bar.set_prefix(format!("{}/s", size(rate)));
            bar.set_position(bytes);
        }
    }

    /// Takes the bar away, for a line to be written in its place.
    pub(crate) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            bar.reset();
        }
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {prefix}");
    ProgressBar::no_length().with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// A number of bytes for people, in powers of 1,024: `713 B`, `1.5 KiB`, `100.0 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn tells_sizes_in_powers_of_1024() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (100 << 20, "100.0 MiB"),
            (u64::MAX, "16384.0 PiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
