//! Decisions taken from the bytes of an input, so that every input is a run and a small change a similar run.

/// What is left of an input. At its end there are zeros.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    /// One of `choices`, of which there is at least one.
    pub(crate) fn pick<'b, T>(&mut self, choices: &'b [T]) -> &'b T {
        &choices[usize::from(self.byte()) % choices.len()]
    }

    /// Up to 255 bytes, or with a first byte of 255 all that are left.
    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let length = match self.byte() {
            255 => self.0.len(),
            length => usize::from(length).min(self.0.len()),
        };
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    /// `value` with some of its bytes changed, cut, or put in: mostly with none.
    pub(crate) fn altered(&mut self, mut value: Vec<u8>) -> Vec<u8> {
        let edits = self.byte();
        for _ in 0..edits.saturating_sub(200) {
            let at = usize::from(self.byte()) | usize::from(self.byte()) << 8;
            let at = at % (value.len() + 1);
            match self.byte() % 4 {
                0 => value.truncate(at),
                1 => drop(value.splice(at..at, self.bytes().iter().copied())),
                2 if at < value.len() => drop(value.remove(at)),
                _ => {
                    let by = self.byte();
                    if let Some(byte) = value.get_mut(at) {
                        *byte ^= by;
                    }
                }
            }
        }
        value
    }
}
