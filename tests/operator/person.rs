//! A person in front of a browser: fills in the stand-in's pages and goes where they send it.

use std::slice;

use gatepost::tls::Trust;
use reqwest::header::LOCATION;
use reqwest::redirect::Policy;
use reqwest::{Client, Response};

use crate::desk::Desk;

/// Everybody's password on the sign-in pages, once [`Person::at`] has given it to them.
const PASSWORD: &str = "standin-password";

pub(crate) struct Person(Client);

/// What they press.
#[derive(Clone, Copy)]
pub(crate) enum Button {
    SignIn,
    Cancel,
}

impl Person {
    pub(crate) fn at(desk: &Desk) -> Self {
        for account in &mut desk.standin.tenant().mailboxes {
            account.password = Some(PASSWORD.to_owned());
        }
        let tls =
            Trust::load(slice::from_ref(&desk.path().join("ca.pem"))).unwrap().client_config();
        let client = Client::builder().tls_backend_preconfigured(tls).redirect(Policy::none());
        Self(client.no_proxy().build().unwrap())
    }

    /// Signs in as `account` on the page at `url`; where that sends the browser to.
    pub(crate) async fn sign_in(&self, url: &str, account: &str, button: Button) -> String {
        let page = self.0.get(url).send().await.unwrap();
        assert_eq!(page.status(), 200, "{}", page.text().await.unwrap());
        let choice = match button {
            Button::SignIn => "sign_in",
            Button::Cancel => "cancel",
        };
        let form = [("login", account), ("passwd", PASSWORD), ("choice", choice)];
        let sent = self.0.post(url).form(&form).send().await.unwrap();
        sent.headers().get(LOCATION).expect("a redirect").to_str().unwrap().to_owned()
    }

    /// Goes to `url`: the page's status and text.
    pub(crate) async fn visit(&self, url: &str) -> (u16, String) {
        told(self.0.get(url).send().await.unwrap()).await
    }

    /// Posts to `url`, as no browser that was redirected does.
    pub(crate) async fn post(&self, url: &str) -> (u16, String) {
        told(self.0.post(url).send().await.unwrap()).await
    }

    /// Whether anybody answers at `url`.
    pub(crate) async fn finds(&self, url: &str) -> bool {
        self.0.get(url).send().await.is_ok()
    }
}

async fn told(response: Response) -> (u16, String) {
    (response.status().as_u16(), response.text().await.unwrap())
}
