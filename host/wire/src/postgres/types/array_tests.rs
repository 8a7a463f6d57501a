//! Arrays: what the server writes and reads, and what is left to the caller.
#![allow(clippy::unwrap_used, reason = "tests state what they expect")]
use super::*;
use proptest::prelude::*;

fn array(elements: &[Option<&str>]) -> TextArray {
    let owned = |element: &Option<&str>| element.map(|text| text.as_bytes().to_vec());
    TextArray {
        element_oid: 0,
        elements: elements.iter().map(owned).collect(),
    }
}

#[test]
fn text_arrays_are_read_as_the_server_writes_them() {
    for (text, elements) in [
        ("{}", array(&[])),
        ("{a,\"b c\",NULL}", array(&[Some("a"), Some("b c"), None])),
        (
            r#"{"NULL","",x}"#,
            array(&[Some("NULL"), Some(""), Some("x")]),
        ),
        (
            r#"{"a\"b\\c","{,}"}"#,
            array(&[Some(r#"a"b\c"#), Some("{,}")]),
        ),
    ] {
        let read = TextArray::decode_text(text.as_bytes()).unwrap();
        assert_eq!(read.elements, elements.elements, "{text}");
        assert_eq!(read.encode_text(), text.as_bytes());
    }
}

#[test]
fn spaces_and_escapes_outside_quotes_are_read_as_the_server_reads_them() {
    let read = TextArray::decode_text(br" { a b , null , \NULL , x\  } ").unwrap();
    let expected = array(&[Some("a b"), None, Some("NULL"), Some("x ")]);
    assert_eq!(read.elements, expected.elements);
}

#[test]
fn arrays_beyond_one_dimension_from_one_are_left_to_the_caller() {
    for text in ["{{a},{b}}", "[0:1]={a,b}"] {
        let error = TextArray::decode_text(text.as_bytes()).unwrap_err();
        assert!(matches!(error, TypeError::Unsupported { .. }), "{text}");
    }
}

#[test]
fn broken_text_arrays_are_refused() {
    for text in [
        "", "{", "a", "{a", "{a,}", "{,a}", "{\"a\"b}", "{a}b", "{a\"b\"}", "{\"a",
    ] {
        assert!(TextArray::decode_text(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn a_binary_array_has_the_bytes_the_server_sends() {
    let mut value = array(&[Some("ab"), None]);
    value.element_oid = 25;
    let bytes = b"\0\0\0\x01\0\0\0\x01\0\0\0\x19\0\0\0\x02\0\0\0\x01\0\0\0\x02ab\xff\xff\xff\xff";
    assert_eq!(value.encode_binary().unwrap(), bytes);
    assert_eq!(TextArray::decode_binary(bytes).unwrap(), value);
    for end in 0..bytes.len() {
        assert!(TextArray::decode_binary(bytes.get(..end).unwrap()).is_err());
    }
}

proptest! {
    #[test]
    fn every_array_comes_back(
        elements in proptest::collection::vec(
            proptest::option::of(proptest::collection::vec(any::<u8>(), 0..8)), 0..6),
    ) {
        let value = TextArray { element_oid: 0, elements };
        prop_assert_eq!(&TextArray::decode_text(&value.encode_text()).unwrap(), &value);
        let binary = value.encode_binary().unwrap();
        prop_assert_eq!(&TextArray::decode_binary(&binary).unwrap(), &value);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = TextArray::decode_text(&bytes);
        let _ = TextArray::decode_binary(&bytes);
    }
}
