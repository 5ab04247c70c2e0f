//! SHA-256 as hex, for identifiers that must be the same in every run: tenants, entity tags, action commits.

use aws_lc_rs::digest;

/// Lower-case hex, 64 characters.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|b| [b >> 4, b & 15])
        .map(|n| char::from(DIGITS[usize::from(n)]))
        .collect()
}

/// A stable positive number below 2^31 for a name, as identifier of things that have no other.
pub(crate) fn stable_id(name: &str) -> u64 {
    let digest = digest::digest(&digest::SHA256, name.as_bytes());
    let head: [u8; 4] = std::array::from_fn(|i| digest.as_ref()[i]);
    u64::from(u32::from_be_bytes(head) >> 1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_lower_case_and_full_width() {
        assert_eq!(hex(&[0x00, 0x0f, 0xa5]), "000fa5");
        assert_eq!(
            sha256_hex(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
