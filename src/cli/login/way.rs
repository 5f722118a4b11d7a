//! Which way to sign in: what the operator says, else what the circumstances allow.

use std::io::{self, IsTerminal};

use crate::oauth::{Application, Grant};

/// A way to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Way {
    /// A code that is typed in on any other device.
    Device,
    /// A browser on this machine, which returns to a port of its own.
    Browser,
    /// A browser anywhere, whose last address is copied here.
    Paste,
}

impl Way {
    /// The grant behind it.
    pub(super) fn grant(self) -> &'static str {
        match self {
            Self::Device => "device_code",
            Self::Browser | Self::Paste => "authorization_code",
        }
    }
}

/// What speaks for one way or another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances {
    /// The grant of the configuration, which may be one of the two ways.
    pub(super) grant: &'static str,
    /// Where the authority lets people in.
    pub(super) offered: Offered,
    /// Whether a browser can open here.
    pub(super) screen: Screen,
    /// Whether a person can type something in.
    pub(super) keyboard: Keyboard,
}

/// The sign-in endpoints that an authority has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offered {
    Both,
    Device,
    Browser,
    Neither,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Screen {
    Here,
    /// Over ssh a browser would open where nobody sits.
    Remote,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyboard {
    Here,
    None,
}

impl Circumstances {
    pub(super) fn here(grant: &Grant, application: &Application) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let offered = match (&application.device_endpoint, &application.authorization_endpoint) {
            (Some(_), Some(_)) => Offered::Both,
            (Some(_), None) => Offered::Device,
            (None, Some(_)) => Offered::Browser,
            (None, None) => Offered::Neither,
        };
        let desktop = cfg!(any(windows, target_os = "macos"));
        let screen = match desktop || set("DISPLAY") || set("WAYLAND_DISPLAY") {
            true if set("SSH_CONNECTION") => Screen::Remote,
            true => Screen::Here,
            false => Screen::None,
        };
        let keyboard = if io::stdin().is_terminal() { Keyboard::Here } else { Keyboard::None };
        Self { grant: grant.name, offered, screen, keyboard }
    }
}

/// The way to take and why, as the end of a sentence.
///
/// # Errors
/// There is none, and why.
pub(super) fn choose(
    asked: Option<Way>,
    circumstances: &Circumstances,
) -> Result<(Way, &'static str), &'static str> {
    let Circumstances { grant, offered, screen, keyboard } = *circumstances;
    let device = matches!(offered, Offered::Both | Offered::Device);
    let browser = matches!(offered, Offered::Both | Offered::Browser);
    let missing = |way| match way {
        Way::Device if !device => Some(
            "the provider has no device_authorization_endpoint; sign in with --browser or --paste",
        ),
        Way::Browser | Way::Paste if !browser => {
            Some("the provider has no authorization_endpoint; sign in with --device")
        }
        _ => None,
    };
    if let Some(way) = asked {
        return missing(way).map_or_else(|| Ok((way, said(way))), Err);
    }
    match (screen, keyboard) {
        (Screen::Here, _) if browser && grant != "device_code" => {
            Ok((Way::Browser, "with a browser, since there is a screen here (--device for a code)"))
        }
        _ if device && grant != "authorization_code" => {
            Ok((Way::Device, "with a code on any other device, since there is no screen here"))
        }
        (Screen::Here, _) if browser => {
            Ok((Way::Browser, "with a browser, since there is a screen here"))
        }
        (_, Keyboard::Here) if browser => Ok((
            Way::Paste,
            "with a browser anywhere, whose last address comes back here, since there is no screen here",
        )),
        _ if device => {
            Ok((Way::Device, "with a code on any other device, since there is no screen here"))
        }
        _ if browser => Ok((
            Way::Browser,
            "with a browser that reaches this machine, since there is neither screen nor keyboard here",
        )),
        _ => Err(
            "the provider has neither device_authorization_endpoint nor authorization_endpoint, so nobody can sign in there",
        ),
    }
}

fn said(way: Way) -> &'static str {
    match way {
        Way::Device => "with a code on any other device",
        Way::Browser => "with a browser",
        Way::Paste => "with a browser anywhere, whose last address comes back here",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(grant: &'static str, offered: Offered, screen: Screen, keyboard: Keyboard) -> Way {
        choose(None, &Circumstances { grant, offered, screen, keyboard }).unwrap().0
    }

    #[test]
    fn without_a_screen_a_code_comes_first() {
        for screen in [Screen::None, Screen::Remote] {
            for keyboard in [Keyboard::Here, Keyboard::None] {
                let way = |grant, offered| chosen(grant, offered, screen, keyboard);
                assert_eq!(way("refresh_token", Offered::Both), Way::Device);
                assert_eq!(way("device_code", Offered::Both), Way::Device);
                assert_eq!(way("refresh_token", Offered::Device), Way::Device);
            }
            let way = |keyboard| chosen("refresh_token", Offered::Browser, screen, keyboard);
            assert_eq!(way(Keyboard::Here), Way::Paste);
            assert_eq!(way(Keyboard::None), Way::Browser);
        }
    }

    #[test]
    fn with_a_screen_the_browser_opens_unless_the_configuration_wants_a_code() {
        let way = |grant, offered| chosen(grant, offered, Screen::Here, Keyboard::Here);
        assert_eq!(way("refresh_token", Offered::Both), Way::Browser);
        assert_eq!(way("authorization_code", Offered::Both), Way::Browser);
        assert_eq!(way("device_code", Offered::Both), Way::Device);
        assert_eq!(way("refresh_token", Offered::Device), Way::Device);
        assert_eq!(way("device_code", Offered::Browser), Way::Browser);
    }

    #[test]
    fn what_the_configuration_wants_gives_way_to_what_there_is() {
        let way = |grant, offered| chosen(grant, offered, Screen::None, Keyboard::Here);
        assert_eq!(way("authorization_code", Offered::Both), Way::Paste);
        assert_eq!(way("authorization_code", Offered::Device), Way::Device);
        let circumstances = |offered| Circumstances {
            grant: "refresh_token",
            offered,
            screen: Screen::Here,
            keyboard: Keyboard::Here,
        };
        assert!(choose(None, &circumstances(Offered::Neither)).is_err());
        assert!(choose(Some(Way::Device), &circumstances(Offered::Browser)).is_err());
        assert!(choose(Some(Way::Paste), &circumstances(Offered::Device)).is_err());
        let asked = choose(Some(Way::Paste), &circumstances(Offered::Both)).unwrap();
        assert_eq!(asked.0, Way::Paste);
    }
}
