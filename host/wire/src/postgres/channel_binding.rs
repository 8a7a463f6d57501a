//! `tls-server-end-point` (RFC 5929, section 4.1): the hash of the server's
//! certificate, made with the hash of the certificate's own signature, but
//! SHA-256 where that would be MD5 or SHA-1.
//!
//! Reads just enough DER to find the signature's algorithm. An algorithm that
//! has no single hash (Ed25519), or is unknown, has no channel binding: it is
//! then neither offered nor asked for, as PostgreSQL does.

use bytes::Bytes;
use sha2::{Digest, Sha256, Sha384, Sha512};

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
/// 1.2.840.113549.1.1, the signatures of PKCS #1.
const PKCS1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
/// 1.2.840.10045.4, the signatures of ANSI X9.62 (ECDSA).
const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04];

/// The channel binding of a certificate in DER, if it has one.
#[must_use]
pub fn tls_server_end_point(certificate_der: &[u8]) -> Option<Bytes> {
    // Certificate ::= SEQUENCE { tbsCertificate SEQUENCE,
    //   signatureAlgorithm SEQUENCE { algorithm OBJECT IDENTIFIER, .. }, .. }
    let (certificate, _) = element(certificate_der, SEQUENCE)?;
    let (_tbs, rest) = element(certificate, SEQUENCE)?;
    let (algorithm, _) = element(rest, SEQUENCE)?;
    let (oid, _) = element(algorithm, OBJECT_IDENTIFIER)?;
    let rsa = oid.strip_prefix(PKCS1);
    let ecdsa = oid.strip_prefix(ECDSA);
    Some(match (rsa, ecdsa) {
        // MD5, SHA-1 and SHA-256 with RSA; SHA-1 and SHA-256 with ECDSA.
        (Some([4 | 5 | 11]), _) | (_, Some([1] | [3, 2])) => digest::<Sha256>(certificate_der),
        (Some([12]), _) | (_, Some([3, 3])) => digest::<Sha384>(certificate_der),
        (Some([13]), _) | (_, Some([3, 4])) => digest::<Sha512>(certificate_der),
        _ => return None,
    })
}

fn digest<D: Digest>(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(&D::digest(bytes))
}

/// The content of the DER element `der` starts with, and what is behind it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    if *found != tag {
        return None;
    }
    let (len, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // Up to four bytes of length: certificates are not larger than 4 GiB.
        0x81..=0x84 => {
            let (field, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let len = field
                .iter()
                .fold(0, |len, &byte| (len << 8) | usize::from(byte));
            (len, rest)
        }
        _ => return None,
    };
    rest.split_at_checked(len)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;

    /// A certificate with nothing in it but its signature's algorithm.
    fn certificate(oid: &[u8]) -> Vec<u8> {
        let len = u8::try_from(oid.len()).unwrap();
        let mut der = vec![SEQUENCE, len + 6, SEQUENCE, 0, SEQUENCE, len + 2];
        der.extend([OBJECT_IDENTIFIER, len]);
        der.extend(oid);
        der
    }

    #[test]
    fn the_hash_is_that_of_the_signature_but_never_weaker_than_sha_256() {
        for (oid, len) in [
            ([PKCS1, &[5]].concat(), 32),
            ([PKCS1, &[11]].concat(), 32),
            ([PKCS1, &[12]].concat(), 48),
            ([ECDSA, &[3, 2]].concat(), 32),
            ([ECDSA, &[3, 3]].concat(), 48),
            ([ECDSA, &[3, 4]].concat(), 64),
        ] {
            let der = certificate(&oid);
            assert_eq!(tls_server_end_point(&der).unwrap().len(), len, "{oid:?}");
        }
        let der = certificate(&[ECDSA, &[3, 2]].concat());
        assert_eq!(
            tls_server_end_point(&der).unwrap(),
            Sha256::digest(&der)[..]
        );
    }

    #[test]
    fn a_signature_without_a_hash_of_its_own_has_no_binding() {
        assert_eq!(
            tls_server_end_point(&certificate(&[0x2b, 0x65, 0x70])),
            None
        );
        assert_eq!(
            tls_server_end_point(&certificate(&[PKCS1, &[10]].concat())),
            None
        );
    }

    #[test]
    fn what_is_not_der_has_no_binding() {
        let der = certificate(&[PKCS1, &[11]].concat());
        for end in 0..der.len() {
            assert_eq!(tls_server_end_point(der.get(..end).unwrap()), None);
        }
        assert_eq!(
            tls_server_end_point(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]),
            None
        );
    }
}
