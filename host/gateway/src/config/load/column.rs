//! The name of a column in a tag: `schema.relation.column` or `relation.column`, with `*` in any part.

use super::super::policy::Glob;

/// Schema of tags that name none.
const DEFAULT_SCHEMA: &str = "public";

/// Schema, relation and column. As in SQL, names count as lower case unless quoted: a tag that differed
/// from the catalog in case alone would silently protect nothing.
pub(super) fn parse(text: &str) -> Result<[Glob; 3], &'static str> {
    let parts = parts(text)?;
    match <[String; 3]>::try_from(parts) {
        Ok(all) => Ok(all.map(Glob::new)),
        Err(fewer) => match <[String; 2]>::try_from(fewer) {
            Ok([relation, column]) => Ok([
                Glob::new(DEFAULT_SCHEMA),
                Glob::new(relation),
                Glob::new(column),
            ]),
            Err(parts) if parts.len() == 1 => Err(
                "name the relation too; \"*.NAME\" is the column of every relation in schema public",
            ),
            Err(_) => Err("write schema.relation.column"),
        },
    }
}

/// Splits at the dots outside of quotes.
fn parts(text: &str) -> Result<Vec<String>, &'static str> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_part(quoted)?,
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                let (part, after) = rest.split_at(end);
                if part.contains(|c: char| c == '"' || c.is_whitespace() || c.is_control()) {
                    return Err("quote names with special characters: public.\"odd name\".ssn");
                }
                (part.to_ascii_lowercase(), after)
            }
        };
        if part.is_empty() {
            return Err("a part of the name is empty");
        }
        parts.push(part);
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(parts),
            None => return Err("a closing quote is followed by something other than a dot"),
        }
    }
}

/// Up to the closing quote; a doubled quote stands for one.
fn quoted_part(text: &str) -> Result<(String, &str), &'static str> {
    let mut part = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"').ok_or("a quote is not closed")?;
        part.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                part.push('"');
                rest = more;
            }
            None => return Ok((part, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;

    fn names(text: &str) -> Vec<String> {
        parse(text)
            .unwrap()
            .iter()
            .map(|glob| glob.as_str().to_owned())
            .collect()
    }

    #[test]
    fn the_schema_is_public_unless_written() {
        assert_eq!(names("patients.ssn"), ["public", "patients", "ssn"]);
        assert_eq!(names("hr.*.*_date"), ["hr", "*", "*_date"]);
    }

    #[test]
    fn case_counts_only_within_quotes_as_in_sql() {
        assert_eq!(names("Public.Patients.SSN"), ["public", "patients", "ssn"]);
        assert_eq!(
            names("\"My.Schema\".\"a\"\"b\".C"),
            ["My.Schema", "a\"b", "c"]
        );
    }

    #[test]
    fn a_name_that_is_no_column_says_why() {
        for wrong in [
            "ssn", "", "a..b", "a.b.c.d", "a.\"b", "a.\"b\"c", "a b.c", ".a.b",
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(parse("ssn").unwrap_err().contains("*.NAME"));
    }
}
