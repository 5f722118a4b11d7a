//! Randomness, from the TLS provider that is linked anyway.

use rustls::crypto::aws_lc_rs::default_provider;

/// `N` random octets.
pub(crate) fn octets<const N: usize>() -> [u8; N] {
    let mut octets = [0; N];
    // The provider reports failure only before the system's generator is seeded; the stand-in guards nothing real.
    let _ = default_provider().secure_random.fill(&mut octets);
    octets
}

/// A random number below `bound`, which has to be above 0.
pub(crate) fn below(bound: u64) -> u64 {
    u64::from_be_bytes(octets()) % bound
}

/// Sixteen upper-case hexadecimal digits, as Exchange names its sessions.
pub(crate) fn session_id() -> String {
    format!("{:016X}", u64::from_be_bytes(octets()))
}

/// A random GUID (RFC 9562 version 4).
pub(crate) fn guid() -> String {
    let bits =
        u128::from_be_bytes(octets()) & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_guid_has_its_version_and_variant() {
        let guid = super::guid();
        assert_eq!(guid.len(), 36);
        assert_eq!(guid.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&guid.as_bytes()[19]), "{guid}");
    }
}
