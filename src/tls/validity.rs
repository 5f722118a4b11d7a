//! How long a certificate is good.

// The paths that clippy would rather see don't live long enough for the reader's lifetime.
#![allow(clippy::redundant_closure_for_method_calls)]

use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;
use yasna::models::{GeneralizedTime, UTCTime};
use yasna::tags::TAG_UTCTIME;
use yasna::{ASN1Result, BERReaderSeq, Tag};

/// The year, month and day on which `certificate` ends, in UTC: `notAfter` (RFC 5280 section 4.1.2.5).
/// `None` where it isn't DER as that RFC has it.
pub(super) fn last_day(certificate: &CertificateDer<'_>) -> Option<(u16, u8, u8)> {
    let end = yasna::parse_der(certificate, |reader| {
        reader.read_sequence(|fields| {
            let end = fields.next().read_sequence(tbs_certificate)?;
            skip_rest(fields)?;
            Ok(end)
        })
    });
    let end = end.ok()?;
    Some((u16::try_from(end.year()).ok()?, u8::from(end.month()), end.day()))
}

/// `TBSCertificate ::= SEQUENCE { version [0] DEFAULT v1, serialNumber, signature, issuer, validity, ... }`
fn tbs_certificate(fields: &mut BERReaderSeq<'_, '_>) -> ASN1Result<OffsetDateTime> {
    fields.read_optional(|version| {
        version.read_tagged(Tag::context(0), |number| number.read_der())
    })?;
    for _ in 0..3 {
        fields.next().read_der()?;
    }
    let end = fields.next().read_sequence(validity)?;
    skip_rest(fields)?;
    Ok(end)
}

/// `Validity ::= SEQUENCE { notBefore Time, notAfter Time }`
fn validity(fields: &mut BERReaderSeq<'_, '_>) -> ASN1Result<OffsetDateTime> {
    fields.next().read_der()?;
    let end = fields.next();
    if end.lookahead_tag()? == TAG_UTCTIME {
        return end.read_utctime().map(|time: UTCTime| *time.datetime());
    }
    end.read_generalized_time().map(|time: GeneralizedTime| *time.datetime())
}

fn skip_rest(fields: &mut BERReaderSeq<'_, '_>) -> ASN1Result<()> {
    while fields.read_optional(|field| field.read_der())?.is_some() {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_read_in_both_forms_of_time() {
        // Years from 2050 are GeneralizedTime (RFC 5280 section 4.1.2.5).
        for (year, month, day) in [(2027, 3, 1), (2049, 12, 31), (2050, 1, 1), (4096, 1, 1)] {
            let mut parameters = rcgen::CertificateParams::new(["app".to_owned()]).unwrap();
            parameters.not_after = rcgen::date_time_ymd(year, month, day);
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate = parameters.self_signed(&key).unwrap();
            let expected = (u16::try_from(year).unwrap(), month, day);
            assert_eq!(last_day(certificate.der()), Some(expected));
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        for octets in
            [&b""[..], b"\x30\x00", b"\x30\x82\xff\xff", b"\x30\x03\x30\x01\x02", &[0x30; 64]]
        {
            assert_eq!(last_day(&CertificateDer::from(octets.to_vec())), None);
        }
    }
}
