//! OIDs of built-in types. They are fixed for ever (`pg_type.dat`), unlike
//! those of enums, domains and extensions, which differ per database.

macro_rules! builtin_types {
    ($($variant:ident $constant:ident $oid:literal $array_constant:ident $array:literal $name:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`")]
            pub const $constant: u32 = $oid;
            #[doc = concat!("`", $name, "[]`")]
            pub const $array_constant: u32 = $array;
        )*

        /// A built-in scalar type.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Builtin {
            $(
                #[doc = concat!("`", $name, "`")]
                $variant,
            )*
        }

        impl Builtin {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The type with this OID.
            #[must_use]
            pub const fn of(oid: u32) -> Option<Self> {
                match oid {
                    $($oid => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The element type of the array type with this OID.
            #[must_use]
            pub const fn element_of(array_oid: u32) -> Option<Self> {
                match array_oid {
                    $($array => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// Its OID.
            #[must_use]
            pub const fn oid(self) -> u32 {
                match self { $(Self::$variant => $oid,)* }
            }

            /// The OID of its array type.
            #[must_use]
            pub const fn array_oid(self) -> u32 {
                match self { $(Self::$variant => $array,)* }
            }

            /// Its name in `pg_type`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

builtin_types! {
    Bool BOOL 16 BOOL_ARRAY 1000 "bool";
    Bytea BYTEA 17 BYTEA_ARRAY 1001 "bytea";
    Char CHAR 18 CHAR_ARRAY 1002 "char";
    Name NAME 19 NAME_ARRAY 1003 "name";
    Int8 INT8 20 INT8_ARRAY 1016 "int8";
    Int2 INT2 21 INT2_ARRAY 1005 "int2";
    Int4 INT4 23 INT4_ARRAY 1007 "int4";
    Text TEXT 25 TEXT_ARRAY 1009 "text";
    Oid OID 26 OID_ARRAY 1028 "oid";
    Json JSON 114 JSON_ARRAY 199 "json";
    Xml XML 142 XML_ARRAY 143 "xml";
    Cidr CIDR 650 CIDR_ARRAY 651 "cidr";
    Float4 FLOAT4 700 FLOAT4_ARRAY 1021 "float4";
    Float8 FLOAT8 701 FLOAT8_ARRAY 1022 "float8";
    Money MONEY 790 MONEY_ARRAY 791 "money";
    Macaddr MACADDR 829 MACADDR_ARRAY 1040 "macaddr";
    Inet INET 869 INET_ARRAY 1041 "inet";
    Bpchar BPCHAR 1042 BPCHAR_ARRAY 1014 "bpchar";
    Varchar VARCHAR 1043 VARCHAR_ARRAY 1015 "varchar";
    Date DATE 1082 DATE_ARRAY 1182 "date";
    Time TIME 1083 TIME_ARRAY 1183 "time";
    Timestamp TIMESTAMP 1114 TIMESTAMP_ARRAY 1115 "timestamp";
    Timestamptz TIMESTAMPTZ 1184 TIMESTAMPTZ_ARRAY 1185 "timestamptz";
    Interval INTERVAL 1186 INTERVAL_ARRAY 1187 "interval";
    Timetz TIMETZ 1266 TIMETZ_ARRAY 1270 "timetz";
    Numeric NUMERIC 1700 NUMERIC_ARRAY 1231 "numeric";
    Uuid UUID 2950 UUID_ARRAY 2951 "uuid";
    Jsonb JSONB 3802 JSONB_ARRAY 3807 "jsonb";
}

impl Builtin {
    /// Whether its binary form is its text, byte for byte.
    #[must_use]
    pub const fn is_text(self) -> bool {
        matches!(
            self,
            Self::Text | Self::Varchar | Self::Bpchar | Self::Name | Self::Json | Self::Xml
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_found_by_its_oid_and_by_that_of_its_array() {
        for &builtin in Builtin::ALL {
            assert_eq!(Builtin::of(builtin.oid()), Some(builtin));
            assert_eq!(Builtin::element_of(builtin.array_oid()), Some(builtin));
            assert_eq!(Builtin::of(builtin.array_oid()), None);
        }
        assert_eq!(Builtin::of(705), None);
        assert_eq!((TEXT, TEXT_ARRAY, TIMESTAMPTZ), (25, 1009, 1184));
    }
}
