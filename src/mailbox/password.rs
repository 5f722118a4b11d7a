//! Local passwords at rest: argon2id (RFC 9106) in PHC strings.

mod blocks;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use subtle::ConstantTimeEq;

use crate::secret::Secret;
use blocks::Blocks;

/// What a check costs: memory in KiB, passes, lanes. The default is OWASP's line: 19 MiB, two
/// passes, one lane; about 80 ms a check, in memory that a small machine has several times over.
pub use argon2::Params as Parameters;

/// The memory a hash may ask for, in KiB: 1 GiB. More would let one line of the configuration starve
/// the machine at every login.
pub const MAX_MEMORY: u32 = 1024 * 1024;

/// The passes a hash may ask for. With [`MAX_MEMORY`] they keep the worst check to seconds.
pub const MAX_PASSES: u32 = 16;

/// The lanes a hash may ask for. They are computed one after the other here.
pub const MAX_LANES: u32 = 16;

/// Octets of salt: what RFC 9106 section 3.1 recommends.
pub const SALT_LENGTH: usize = 16;

/// Why a text is no hash that a login can be checked against. Never holds the text, which may be
/// the password itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHash {
    /// Not a PHC string at all.
    #[error("this isn't a password hash")]
    NotPhc,
    /// Made with another algorithm.
    #[error("this hash was made with {0}, and gatepost checks argon2id only")]
    Algorithm(&'static str),
    /// Made with argon2id before version 1.3.
    #[error("this hash is of an old argon2id, not version 1.3 (v=19)")]
    Version,
    /// Parameters that argon2id doesn't know or take.
    #[error("this hash has parameters that argon2id doesn't take")]
    Parameters,
    /// A cost that would hang logins.
    #[error(
        "checking this hash would cost too much: at most m={MAX_MEMORY} (1 GiB), t={MAX_PASSES}, p={MAX_LANES}"
    )]
    TooCostly,
}

/// Hashes that operators bring along from elsewhere, by what they begin with.
const FOREIGN: &[(&str, &str)] = &[
    ("$argon2i$", "argon2i"),
    ("$argon2d$", "argon2d"),
    ("$2", "bcrypt"),
    ("$1$", "md5crypt"),
    ("$5$", "sha256crypt"),
    ("$6$", "sha512crypt"),
    ("$y$", "yescrypt"),
    ("$scrypt$", "scrypt"),
    ("$pbkdf2", "PBKDF2"),
    ("{", "an LDAP scheme"),
];

/// A hash ready to be checked against: a check says yes or no and can't fail.
#[derive(Clone)]
pub struct Hash {
    parameters: Params,
    salt: Box<[u8]>,
    output: Box<[u8]>,
}

impl Hash {
    /// Reads `$argon2id$v=19$m=…,t=…,p=…$salt$hash`.
    ///
    /// # Errors
    /// [`InvalidHash`].
    pub fn parse(text: &str) -> Result<Self, InvalidHash> {
        if let Some((_, name)) = FOREIGN.iter().find(|(start, _)| text.starts_with(start)) {
            return Err(InvalidHash::Algorithm(name));
        }
        let phc = PasswordHash::new(text).map_err(|_| InvalidHash::NotPhc)?;
        if phc.algorithm.as_str() != Algorithm::Argon2id.as_str() {
            return Err(InvalidHash::NotPhc);
        }
        // A PHC string without `v` is of version 1.0.
        if phc.version != Some(u32::from(Version::V0x13)) {
            return Err(InvalidHash::Version);
        }
        let parameters = Params::try_from(&phc.params).map_err(|_| InvalidHash::Parameters)?;
        let (Some(salt), Some(output)) = (phc.salt, phc.hash) else {
            return Err(InvalidHash::NotPhc);
        };
        bounded(&parameters)?;
        Ok(Self { parameters, salt: salt.as_ref().into(), output: output.as_bytes().into() })
    }

    /// What a check against it costs.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// A hash of no password: checks of unknown users are spent on it.
    pub(super) fn decoy(parameters: Parameters) -> Self {
        Self {
            parameters,
            salt: Box::new([0; SALT_LENGTH]),
            output: Box::new([0; Params::DEFAULT_OUTPUT_LEN]),
        }
    }

    /// Whether `password` is the one that was hashed. Blocks for as long as the parameters demand;
    /// says no where their memory can't be had.
    pub fn matches(&self, password: &Secret<String>) -> bool {
        let mut computed = vec![0; self.output.len()];
        compute(password, &self.salt, &self.parameters, &mut computed).is_ok()
            && computed.ct_eq(&self.output).into()
    }
}

/// Hashes `password` with a fresh random `salt` into a PHC string.
///
/// # Errors
/// [`InvalidHash::TooCostly`], which a later [`Hash::parse`] would say too; `Parameters` where the
/// memory can't be had.
pub fn hash(
    password: &Secret<String>,
    salt: [u8; SALT_LENGTH],
    parameters: &Parameters,
) -> Result<String, InvalidHash> {
    bounded(parameters)?;
    let mut computed = [0; Params::DEFAULT_OUTPUT_LEN];
    compute(password, &salt, parameters, &mut computed).map_err(|_| InvalidHash::Parameters)?;
    Ok(format!(
        "${}$v={}${parameters}${}${}",
        Algorithm::Argon2id.as_str(),
        u32::from(Version::V0x13),
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(computed),
    ))
}

fn bounded(parameters: &Params) -> Result<(), InvalidHash> {
    let costly = parameters.m_cost() > MAX_MEMORY
        || parameters.t_cost() > MAX_PASSES
        || parameters.p_cost() > MAX_LANES;
    if costly { Err(InvalidHash::TooCostly) } else { Ok(()) }
}

fn compute(
    password: &Secret<String>,
    salt: &[u8],
    parameters: &Params,
    output: &mut [u8],
) -> argon2::Result<()> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters.clone());
    let mut blocks = Blocks::take(parameters.block_count())?;
    argon2.hash_password_into_with_memory(password.reveal().as_bytes(), salt, output, &mut *blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The least that argon2id takes: tests hash often.
    fn cheap() -> Parameters {
        Parameters::new(8, 1, 1, None).unwrap()
    }

    #[test]
    fn a_hash_matches_its_password_only() {
        let text = hash(&Secret::from("correct horse"), [7; SALT_LENGTH], &cheap()).unwrap();
        assert!(text.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{text}");
        let hash = Hash::parse(&text).unwrap();
        assert!(hash.matches(&Secret::from("correct horse")));
        assert!(!hash.matches(&Secret::from("Correct horse")));
        assert!(!hash.matches(&Secret::from("")));
    }

    #[test]
    fn salts_make_hashes_differ() {
        let hashed = |salt| hash(&Secret::from("same"), [salt; SALT_LENGTH], &cheap()).unwrap();
        assert_ne!(hashed(1), hashed(2));
    }

    /// Made with the reference implementation: `printf password | argon2 somesalt -id -t 2 -m 16 -p 1`.
    #[test]
    fn hashes_of_the_reference_implementation_are_understood() {
        let text = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(Hash::parse(text).unwrap().matches(&Secret::from("password")));
    }

    #[test]
    fn the_default_is_owasps_line() {
        let default = Parameters::default();
        assert_eq!((default.m_cost(), default.t_cost(), default.p_cost()), (19 * 1024, 2, 1));
    }

    #[test]
    fn what_is_no_usable_hash_is_told_apart() {
        let cases = [
            ("", InvalidHash::NotPhc),
            ("hunter2", InvalidHash::NotPhc),
            ("$argon2id$", InvalidHash::NotPhc),
            ("$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ", InvalidHash::NotPhc),
            ("$2b$12$abcdefghijklmnopqrstuv", InvalidHash::Algorithm("bcrypt")),
            (
                "$argon2i$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
                InvalidHash::Algorithm("argon2i"),
            ),
            ("{SSHA}abc", InvalidHash::Algorithm("an LDAP scheme")),
            ("$argon2id$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", InvalidHash::Version),
            (
                "$argon2id$v=19$m=8,t=1,x=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
                InvalidHash::Parameters,
            ),
            (
                "$argon2id$v=19$m=7,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
                InvalidHash::Parameters,
            ),
            (
                "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
                InvalidHash::TooCostly,
            ),
            (
                "$argon2id$v=19$m=8,t=17,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
                InvalidHash::TooCostly,
            ),
            (
                "$argon2id$v=19$m=4096,t=1,p=17$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
                InvalidHash::TooCostly,
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(Hash::parse(text).err(), Some(expected), "{text}");
        }
    }
}
