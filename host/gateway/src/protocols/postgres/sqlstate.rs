//! The SQLSTATEs that a server raises by itself (PostgreSQL documentation, appendix "Error Codes"), as far as
//! applications tell them apart. Procedures can raise any five characters; those are not passed on from code
//! that nobody has read.

/// Codes that pass as they are. Sorted.
const KNOWN: [&str; 74] = [
    "00000", "01000", "02000", "08000", "08003", "08006", "0A000", "0L000", "0P000", "21000",
    "22000", "22001", "22003", "22004", "22007", "22008", "22012", "22023", "22025", "22026",
    "22P02", "22P03", "22P04", "22P05", "23000", "23001", "23502", "23503", "23505", "23514",
    "23P01", "24000", "25000", "25001", "25006", "25P01", "25P02", "25P03", "26000", "28000",
    "2BP01", "34000", "3D000", "3F000", "40000", "40001", "40002", "40003", "40P01", "42000",
    "42501", "42601", "42602", "42622", "42701", "42702", "42703", "42704", "42723", "42725",
    "42803", "42804", "42809", "42883", "42P01", "42P02", "42P07", "42P10", "42P18", "53000",
    "53100", "53200", "53300", "54000",
];
/// Further ones.
const KNOWN_TOO: [&str; 12] = [
    "54001", "55000", "55006", "55P03", "57014", "57P01", "57P02", "57P03", "58000", "58030",
    "P0001", "XX000",
];
/// Where a code is not known, its class may be.
const CLASSES: [(&str, &str); 12] = [
    ("01", "01000"),
    ("08", "08000"),
    ("22", "22000"),
    ("23", "23000"),
    ("25", "25000"),
    ("40", "40000"),
    ("42", "42000"),
    ("53", "53000"),
    ("54", "54000"),
    ("55", "55000"),
    ("58", "58000"),
    ("XX", "XX000"),
];
/// Raised by a procedure.
const RAISED: &str = "P0001";

/// The code itself if the server knows it, else its class, else what procedures raise.
pub(super) fn own(code: &str) -> &'static str {
    let mut known = KNOWN.iter().chain(&KNOWN_TOO);
    if let Some(known) = known.find(|known| **known == code) {
        return known;
    }
    let class = |(class, _): &&(&str, &str)| code.starts_with(class);
    CLASSES.iter().find(class).map_or(RAISED, |(_, code)| code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_of_somebodys_choosing_becomes_its_class_or_that_of_procedures() {
        for (given, told) in [
            ("23505", "23505"),
            ("40001", "40001"),
            ("23456", "23000"),
            ("12345", "P0001"),
            ("P0001", "P0001"),
            ("AB123", "P0001"),
            ("", "P0001"),
        ] {
            assert_eq!(own(given), told, "{given}");
        }
    }
}
