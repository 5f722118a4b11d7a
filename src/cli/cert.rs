//! `gatepost cert new`: a certificate for a listener, signed by an authority of this machine's own.

use std::fmt::{self, Write as _};
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, date_time_ymd,
};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Exit, Failure};

/// What to do with files that are there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    Keep,
    Replace,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Devices believe an authority of one's own for as long as they live, about.
const AUTHORITY_LASTS: Duration = DAY.saturating_mul(3650);

/// The longest that Apple's devices take from such an authority.
const CERTIFICATE_LASTS: Duration = DAY.saturating_mul(825);

/// Clocks of devices differ; scanners' the most.
const BACKDATED: Duration = DAY;

/// Makes key and certificate for `hosts`, named for the first, in `folder`; the authority too, unless
/// it is there. Says what to do with them.
pub(super) fn new(hosts: &[String], folder: &Path, existing: Existing) -> Result<(), Failure> {
    for host in hosts {
        check_host(host)?;
    }
    let first = hosts.first().map(String::as_str).unwrap_or_default();
    // A wildcard's star and an address's colons have no place in file names of some systems.
    let stem = first.replace('*', "any").replace(':', "-");
    let made = Made {
        authority: folder.join("ca.pem"),
        certificate: folder.join(format!("{stem}.pem")),
        key: folder.join(format!("{stem}.key")),
    };
    make(hosts, folder, &made, existing)?;
    // A closed pipe is nobody's problem.
    let _ = write!(io::stdout(), "{made}");
    Ok(())
}

/// The files that there are now.
struct Made {
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

fn make(hosts: &[String], folder: &Path, made: &Made, existing: Existing) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
    for path in [&made.certificate, &made.key] {
        if existing == Existing::Keep && path.exists() {
            let why = format!("{} is there already; --force makes a new one", path.display());
            return Err(Failure::new(Exit::Data, why));
        }
    }
    let authority = Authority::at(folder, made)?;
    let (chain, key) = authority.certify(hosts).map_err(unmade)?;
    write(&made.key, key.as_bytes(), PRIVATE)?;
    write(&made.certificate, chain.as_bytes(), PUBLIC)
}

/// Whoever signs: the key, and the name that follows from it.
struct Authority {
    key: KeyPair,
    params: CertificateParams,
}

impl Authority {
    /// The authority in `folder`, made if it isn't there.
    fn at(folder: &Path, made: &Made) -> Result<Self, Failure> {
        let key_path = folder.join("ca.key");
        match (key_path.exists(), made.authority.exists()) {
            (true, true) => Self::read(&key_path, &made.authority),
            (false, false) => {
                let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(unmade)?;
                let authority = Self::of(key);
                let certificate = authority.params.self_signed(&authority.key).map_err(unmade)?;
                let pem = Zeroizing::new(authority.key.serialize_pem());
                write(&key_path, pem.as_bytes(), PRIVATE)?;
                write(&made.authority, certificate.pem().as_bytes(), PUBLIC)?;
                Ok(authority)
            }
            (there, _) => {
                let (one, other) = if there { ("ca.key", "ca.pem") } else { ("ca.pem", "ca.key") };
                let why = format!(
                    "{} has {one}, but not {other}; bring that back, or move the other away for a new authority",
                    folder.display()
                );
                Err(Failure::new(Exit::Data, why))
            }
        }
    }

    fn read(key_path: &Path, certificate: &Path) -> Result<Self, Failure> {
        let pem = fs::read_to_string(key_path).map(Zeroizing::new).map_err(|error| {
            Failure::new(Exit::NoInput, format!("{}: {error}", key_path.display()))
        })?;
        let key = KeyPair::from_pem(&pem).map_err(|error| {
            Failure::new(Exit::Data, format!("{} is no private key: {error}", key_path.display()))
        })?;
        let authority = Self::of(key);
        if crate::tls::is_authority(certificate, &authority.name()) {
            return Ok(authority);
        }
        let why = format!(
            "{} wasn't made with {} by `gatepost cert new`; sign with the tools of that authority, or move both \
             away for a new one",
            certificate.display(),
            key_path.display()
        );
        Err(Failure::new(Exit::Data, why))
    }

    /// The name holds a digest of the key: two authorities never share one.
    fn of(key: KeyPair) -> Self {
        let digest = Sha256::digest(key.subject_public_key_info());
        let id: String = digest.iter().take(4).fold(String::new(), |mut id, octet| {
            let _ = write!(id, "{octet:02x}");
            id
        });
        let mut params = params(&format!("gatepost authority {id}"), AUTHORITY_LASTS);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self { key, params }
    }

    fn name(&self) -> String {
        match self.params.distinguished_name.get(&DnType::CommonName) {
            Some(rcgen::DnValue::Utf8String(name)) => name.clone(),
            _ => String::new(),
        }
    }

    /// A certificate for `hosts`, and its key, both in PEM.
    fn certify(&self, hosts: &[String]) -> Result<(String, Zeroizing<String>), rcgen::Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let name = hosts.first().map(String::as_str).unwrap_or_default();
        let mut params = params(name, CERTIFICATE_LASTS);
        params.subject_alt_names = CertificateParams::new(hosts)?.subject_alt_names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &Issuer::from_params(&self.params, &self.key))?;
        Ok((certificate.pem(), Zeroizing::new(key.serialize_pem())))
    }
}

fn params(name: &str, lasts: Duration) -> CertificateParams {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let start = date_time_ymd(1970, 1, 1) + now.saturating_sub(BACKDATED);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = start;
    params.not_after = start + lasts;
    params
}

/// A name that clients may look for: of a host, with a star for its first label at most, or an address.
fn check_host(host: &str) -> Result<(), Failure> {
    let name = host.strip_prefix("*.").unwrap_or(host);
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // The file is named for it.
    let is_name = name.len() <= 200 && name.split('.').all(label);
    if is_name || host.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    let why = format!("{host:?} is neither a host name nor an IP address");
    Err(Failure::new(Exit::Usage, why))
}

#[derive(Clone, Copy)]
struct Mode(#[cfg_attr(not(unix), allow(dead_code))] u32);

const PRIVATE: Mode = Mode(0o600);
const PUBLIC: Mode = Mode(0o644);

/// Writes beside and renames: a daemon that reads meanwhile finds the old file or the new one.
fn write(path: &Path, content: &[u8], mode: Mode) -> Result<(), Failure> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let _ = fs::remove_file(&new);
    let written = create(&new, mode)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&new, path));
    written.map_err(|error| unwritable(path, &error))
}

fn create(path: &Path, mode: Mode) -> io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode.0);
    #[cfg(not(unix))]
    let Mode(_) = mode;
    options.open(path)
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::System, format!("{} can't be written: {error}", path.display()))
}

// By value for `map_err`.
#[allow(clippy::needless_pass_by_value)]
fn unmade(error: rcgen::Error) -> Failure {
    Failure::new(Exit::System, format!("no certificate: {error}"))
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [authority, certificate, key] =
            [&self.authority, &self.certificate, &self.key].map(|path| path.display());
        write!(
            f,
            "\
Made
  {certificate}  the certificate, for 825 days
  {key}  its key: chown it to the user that gatepost runs as
  {authority}  the authority, whose key beside it signs; keep that key off the network

In the [[listener]] of the configuration:
  tls = \"implicit\"
  certificate = \"{certificate}\"
  key = \"{key}\"

On each device, install {authority} as a trusted authority:
  Windows         certutil -addstore Root ca.pem
  macOS           open it, and trust it in the keychain
  Debian, Ubuntu  cp ca.pem /usr/local/share/ca-certificates/gatepost.crt && update-ca-certificates
  Fedora, RHEL    cp ca.pem /etc/pki/ca-trust/source/anchors/gatepost.pem && update-ca-trust
  iOS, Android    send it there, install it as a profile or CA certificate, and trust it in the settings
  Thunderbird     Settings, Certificates, Authorities, Import
  scanners        their web page, under Security or Certificates; some take DER only:
                  openssl x509 -in ca.pem -outform der -out ca.der
"
        )
    }
}
