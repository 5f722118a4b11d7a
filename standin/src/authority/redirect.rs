//! Redirect URIs: which are allowed, and what is hung on them.

/// Whether a registered URI allows this one. The port of a loopback address doesn't matter, the path does; no path is the
/// path `/`.
pub(super) fn allows(registered: &str, asked: &str) -> bool {
    match (loopback(registered), loopback(asked)) {
        (Some(registered), Some(asked)) => registered == asked,
        _ => registered == asked,
    }
}

/// Host, and path with query, of an `http` URI on loopback. `[::1]` is none that Entra knows.
fn loopback(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let host = match authority.split_once(':') {
        Some((host, port)) => port.parse::<u16>().is_ok().then_some(host)?,
        None => authority,
    };
    let path = if path == "/" { "" } else { path };
    matches!(host, "localhost" | "127.0.0.1").then_some((host, path))
}

/// The URI with these parameters in its query, and with a path.
pub(super) fn with_query(uri: &str, parameters: &[(&str, &str)]) -> String {
    let has_path = uri.split_once("://").is_none_or(|(_, rest)| rest.contains(['/', '?']));
    let mut address = uri.to_owned();
    if !has_path {
        address.push('/');
    }
    let mut separator = if uri.contains('?') { '&' } else { '?' };
    for (name, value) in parameters {
        address.push(separator);
        address.push_str(name);
        address.push('=');
        address.push_str(&encoded(value));
        separator = '&';
    }
    address
}

fn encoded(text: &str) -> String {
    let octet = |octet: u8| match octet {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(octet).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(octet).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_loopback_only_the_port_is_free() {
        for asked in ["http://localhost", "http://localhost:1", "http://localhost:65535/"] {
            assert!(allows("http://localhost", asked), "{asked}");
        }
        for asked in [
            "http://localhost:1/other",
            "https://localhost:1",
            "http://127.0.0.1:1",
            "http://[::1]:1",
            "http://localhost:x/",
            "http://localhost.example/",
            "http://localhost:1@evil.example/",
        ] {
            assert!(!allows("http://localhost", asked), "{asked}");
        }
        assert!(allows("http://127.0.0.1/back", "http://127.0.0.1:5/back"));
        assert!(!allows("https://app.example/", "https://app.example:444/"));
    }

    #[test]
    fn parameters_are_encoded_behind_a_path() {
        let address = with_query("http://localhost:1", &[("code", "a b&c"), ("state", "é")]);
        assert_eq!(address, "http://localhost:1/?code=a%20b%26c&state=%C3%A9");
        assert_eq!(
            with_query("http://localhost/x?y=1", &[("a", "b")]),
            "http://localhost/x?y=1&a=b"
        );
    }
}
