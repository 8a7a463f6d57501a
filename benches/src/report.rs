//! Tables in Markdown.

use std::fmt;

/// Rows under a heading.
pub(crate) struct Table {
    title: String,
    columns: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    remarks: Vec<String>,
}

impl Table {
    pub(crate) fn new(title: impl Into<String>, columns: &[&'static str]) -> Self {
        Self {
            title: title.into(),
            columns: columns.to_vec(),
            rows: Vec::new(),
            remarks: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// A sentence below the table.
    pub(crate) fn remark(&mut self, text: impl Into<String>) {
        self.remarks.push(text.into());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "### {}\n", self.title)?;
        writeln!(f, "| {} |", self.columns.join(" | "))?;
        writeln!(f, "|{}", "---|".repeat(self.columns.len()))?;
        for row in &self.rows {
            writeln!(f, "| {} |", row.join(" | "))?;
        }
        for remark in &self.remarks {
            writeln!(f, "\n{remark}")?;
        }
        Ok(())
    }
}

/// A ratio that should be at least so large, with the verdict.
pub(crate) fn at_least(measured: f64, target: f64) -> [String; 3] {
    verdict(
        measured >= target,
        format!("{measured:.2}"),
        format!("≥ {target:.2}"),
    )
}

/// A number that should be at most so large, in this unit, with the verdict.
pub(crate) fn at_most(measured: f64, target: f64, unit: &str) -> [String; 3] {
    verdict(
        measured <= target,
        format!("{measured:.1}{unit}"),
        format!("≤ {target}{unit}"),
    )
}

/// A figure without a target.
pub(crate) fn plain(measured: String) -> [String; 3] {
    [measured, "–".to_owned(), "–".to_owned()]
}

fn verdict(met: bool, measured: String, target: String) -> [String; 3] {
    let word = if met { "met" } else { "**missed**" };
    [measured, target, word.to_owned()]
}

/// A count with its thousands apart.
pub(crate) fn count(number: f64) -> String {
    let digits = format!("{:.0}", number.max(0.0));
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Microseconds, with the unit that reads best.
pub(crate) fn micros(us: f64) -> String {
    match us {
        us if us >= 10_000.0 => format!("{:.1} ms", us / 1_000.0),
        us if us >= 1_000.0 => format!("{:.2} ms", us / 1_000.0),
        us if us >= 10.0 => format!("{us:.0} µs"),
        us => format!("{us:.1} µs"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_markdown() {
        let mut table = Table::new("Reads", &["clients", "ratio", "target", "verdict"]);
        let [measured, target, verdict] = at_least(0.5, 0.6);
        table.row(["64".to_owned(), measured, target, verdict]);
        table.remark("One run.");
        let expected = "### Reads\n\n| clients | ratio | target | verdict |\n|---|---|---|---|\n\
                        | 64 | 0.50 | ≥ 0.60 | **missed** |\n\nOne run.\n";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0.0, 999.0, 1_000.0, 1_234_567.0].map(count),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [4.25, 42.4, 4_242.0, 42_000.0].map(micros),
            ["4.2 µs", "42 µs", "4.24 ms", "42.0 ms"]
        );
    }
}
