//! How many rows a query asks for at most.

use pg_query::protobuf::LimitOption;

use crate::sheet::Limit;
use crate::tree::Tree;

/// The limit of a `SelectStmt`.
pub(crate) fn of(select: &Tree) -> Limit {
    let Some(count) = select.node("limit_count") else {
        return Limit::None;
    };
    // Rows that tie with the last come on top of the number.
    if select.int("limit_option") == i64::from(LimitOption::WithTies as i32) {
        return Limit::Expression;
    }
    match count.kind {
        "AConst" if count.is("isnull") => Limit::None,
        "AConst" => match count.node("val") {
            Some(value) if value.kind == "Integer" => match u64::try_from(value.int("ival")) {
                Ok(rows) => Limit::Number { rows },
                Err(_) => Limit::Expression,
            },
            // Numbers beyond 32 bits are kept as text by the grammar.
            Some(value) if value.kind == "Float" => value
                .text("fval")
                .and_then(|text| text.parse().ok())
                .map_or(Limit::Expression, |rows| Limit::Number { rows }),
            _ => Limit::Expression,
        },
        "ParamRef" => match u32::try_from(count.int("number")) {
            Ok(number) => Limit::Parameter { number },
            Err(_) => Limit::Expression,
        },
        _ => Limit::Expression,
    }
}
