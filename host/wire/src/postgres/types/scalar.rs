//! Scalars in binary: numbers, booleans, UUIDs, and the envelope of `jsonb`.

use super::{TypeError, invalid};

/// A binary `numeric` of zero: no digits, weight 0, positive, scale 0.
pub const NUMERIC_ZERO: [u8; 8] = [0; 8];
/// The version byte in front of a binary `jsonb`.
const JSONB_VERSION: u8 = 1;

/// Reads a binary `int2`, `int4` or `int8`, by its size.
pub fn decode_int(value: &[u8]) -> Result<i64, TypeError> {
    if let Ok(field) = value.try_into() {
        Ok(i64::from(i16::from_be_bytes(field)))
    } else if let Ok(field) = value.try_into() {
        Ok(i64::from(i32::from_be_bytes(field)))
    } else if let Ok(field) = value.try_into() {
        Ok(i64::from_be_bytes(field))
    } else {
        Err(invalid("integer", "it has not two, four or eight bytes"))
    }
}

/// Writes a binary `int2`.
#[must_use]
pub const fn encode_int2(value: i16) -> [u8; 2] {
    value.to_be_bytes()
}

/// Writes a binary `int4`.
#[must_use]
pub const fn encode_int4(value: i32) -> [u8; 4] {
    value.to_be_bytes()
}

/// Writes a binary `int8`.
#[must_use]
pub const fn encode_int8(value: i64) -> [u8; 8] {
    value.to_be_bytes()
}

/// Reads a binary `float4` or `float8`, by its size.
pub fn decode_float(value: &[u8]) -> Result<f64, TypeError> {
    if let Ok(field) = value.try_into() {
        Ok(f64::from(f32::from_be_bytes(field)))
    } else if let Ok(field) = value.try_into() {
        Ok(f64::from_be_bytes(field))
    } else {
        Err(invalid("float", "it has not four or eight bytes"))
    }
}

/// Writes a binary `float4`.
#[must_use]
pub const fn encode_float4(value: f32) -> [u8; 4] {
    value.to_be_bytes()
}

/// Writes a binary `float8`.
#[must_use]
pub const fn encode_float8(value: f64) -> [u8; 8] {
    value.to_be_bytes()
}

/// Reads a binary `bool`.
pub fn decode_bool(value: &[u8]) -> Result<bool, TypeError> {
    match value {
        [0] => Ok(false),
        [1] => Ok(true),
        _ => Err(invalid("bool", "it is neither 0 nor 1")),
    }
}

/// Writes a binary `bool`.
#[must_use]
pub const fn encode_bool(value: bool) -> [u8; 1] {
    [value as u8]
}

/// Reads a binary `uuid`.
pub fn decode_uuid(value: &[u8]) -> Result<[u8; 16], TypeError> {
    value
        .try_into()
        .map_err(|_| invalid("uuid", "it has not sixteen bytes"))
}

/// A UUID as PostgreSQL writes it in text.
#[must_use]
pub fn uuid_text(uuid: [u8; 16]) -> String {
    let hex = format!("{:032x}", u128::from_be_bytes(uuid));
    [0..8, 8..12, 12..16, 16..20, 20..32]
        .map(|part| hex.get(part).unwrap_or_default())
        .join("-")
}

/// The JSON text inside a binary `jsonb`.
pub fn decode_jsonb(value: &[u8]) -> Result<&[u8], TypeError> {
    match value {
        [JSONB_VERSION, json @ ..] => Ok(json),
        _ => Err(invalid("jsonb", "its version is not 1")),
    }
}

/// JSON text as a binary `jsonb`.
#[must_use]
pub fn encode_jsonb(json: &[u8]) -> Vec<u8> {
    [&[JSONB_VERSION], json].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_by_their_size() {
        assert_eq!(decode_int(&encode_int2(-2)), Ok(-2));
        assert_eq!(decode_int(&encode_int4(i32::MIN)), Ok(i64::from(i32::MIN)));
        assert_eq!(decode_int(&encode_int8(i64::MAX)), Ok(i64::MAX));
        assert!(decode_int(&[0; 3]).is_err() && decode_int(&[]).is_err());
    }

    #[test]
    fn floats_and_booleans_come_back() {
        assert_eq!(decode_float(&encode_float4(1.5)), Ok(1.5));
        assert_eq!(decode_float(&encode_float8(-0.1)), Ok(-0.1));
        assert_eq!(decode_bool(&encode_bool(true)), Ok(true));
        assert!(decode_bool(&[2]).is_err() && decode_float(&[0]).is_err());
    }

    #[test]
    fn a_uuid_is_written_as_the_server_writes_it() {
        let mut uuid = [0; 16];
        uuid[0] = 0x0a;
        uuid[15] = 0xff;
        assert_eq!(uuid_text(uuid), "0a000000-0000-0000-0000-0000000000ff");
        assert_eq!(decode_uuid(&uuid), Ok(uuid));
        assert!(decode_uuid(&[0; 15]).is_err());
    }

    #[test]
    fn jsonb_is_json_behind_a_version() {
        assert_eq!(decode_jsonb(b"\x01{}"), Ok(b"{}".as_slice()));
        assert_eq!(encode_jsonb(b"{}"), b"\x01{}");
        assert!(decode_jsonb(b"\x02{}").is_err() && decode_jsonb(b"").is_err());
    }
}
