use super::*;
use crate::oauth::Credential;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// A sign-in, and the time.
struct Device {
    exchange: Box<dyn Exchange>,
    now: u64,
}

impl Device {
    fn begin() -> Self {
        let application = Application {
            token_endpoint: "https://login.example/token".to_owned(),
            client_id: "app".to_owned(),
            credential: Credential::None,
            device_endpoint: Some("https://login.example/devicecode".to_owned()),
            ..Application::default()
        };
        let asked = SignIn {
            scope: "mail offline_access".to_owned(),
            consent: "mail graph offline_access".to_owned(),
            mailbox: "alice@contoso.example".to_owned(),
            redirect_uri: String::new(),
            entropy: Secret::new([0; 64]),
        };
        Self { exchange: sign_in(&Arc::new(application), &asked).unwrap(), now: 0 }
    }

    /// A sign-in whose code was shown.
    fn shown(codes: &str) -> Self {
        let mut device = Self::begin();
        device.tell(None).unwrap();
        let shown = device.answer(200, codes).unwrap();
        assert!(matches!(shown, Wish::Show(Prompt::Device { .. })), "{shown:?}");
        device
    }

    fn tell(&mut self, reply: Option<Reply>) -> Result<Wish, Failure> {
        self.exchange.advance(at(self.now), reply)
    }

    fn answer(&mut self, status: u16, body: &str) -> Result<Wish, Failure> {
        let body = Secret::new(body.as_bytes().to_vec());
        let response = Response { status, retry_after: None, challenge: None, body };
        self.tell(Some(Reply::Http(response)))
    }

    /// Waits as it is told, and returns for how long, with the question that follows.
    fn wait(&mut self, wish: &Wish) -> (u64, Request) {
        let Wish::Wait(pause) = wish else { panic!("{wish:?}") };
        self.now += pause.as_secs();
        match self.tell(None).unwrap() {
            Wish::Post(request) => (pause.as_secs(), request),
            other => panic!("{other:?}"),
        }
    }
}

const CODES: &str = r#"{"device_code":"the-device","user_code":"ABCD1234","expires_in":900,"interval":7,
    "verification_uri":"https://login.example/device","message":"To sign in ..."}"#;
const TOKEN: &str = r#"{"access_token":"a","refresh_token":"r","expires_in":3600}"#;

fn error(code: &str) -> String {
    format!(r#"{{"error":"{code}","error_description":"x"}}"#)
}

fn fields(request: &Request) -> Vec<(&str, &str)> {
    request.form.iter().map(|(name, value)| (*name, value.reveal().as_str())).collect()
}

#[test]
fn codes_are_asked_for_by_post_and_shown() {
    let mut device = Device::begin();
    let Wish::Post(request) = device.tell(None).unwrap() else { panic!() };
    assert_eq!(request.url, "https://login.example/devicecode");
    assert_eq!(fields(&request), [("client_id", "app"), ("scope", "mail offline_access")]);
    let Wish::Show(Prompt::Device { user_code, verification_uri, complete, expires_at }) =
        device.answer(200, CODES).unwrap()
    else {
        panic!()
    };
    assert_eq!((user_code.as_str(), complete), ("ABCD1234", None));
    assert_eq!(verification_uri, "https://login.example/device");
    assert_eq!(expires_at, at(900));
}

#[test]
fn the_question_is_repeated_at_the_interval_until_there_is_a_token() {
    let mut device = Device::shown(CODES);
    let mut wish = device.tell(None).unwrap();
    for _ in 0..3 {
        let (pause, request) = device.wait(&wish);
        assert_eq!(pause, 7);
        let told = fields(&request);
        assert!(told.contains(&("device_code", "the-device")), "{told:?}");
        assert!(told.contains(&("grant_type", GRANT_TYPE)), "{told:?}");
        wish = device.answer(400, &error("authorization_pending")).unwrap();
    }
    device.wait(&wish);
    let Wish::Granted(token) = device.answer(200, TOKEN).unwrap() else { panic!() };
    assert_eq!(token.refresh.unwrap().reveal(), "r");
}

#[test]
fn slow_down_adds_five_seconds_for_good() {
    let mut device = Device::shown(CODES);
    let mut wish = device.tell(None).unwrap();
    for (told, pause) in
        [("slow_down", 7), ("authorization_pending", 12), ("slow_down", 12), ("x", 17)]
    {
        assert_eq!(device.wait(&wish).0, pause, "{told}");
        wish = match device.answer(400, &error(told)) {
            Ok(wish) => wish,
            Err(_) => return assert_eq!(told, "x"),
        };
    }
}

#[test]
fn both_spellings_of_a_declined_sign_in_end_it() {
    for no in ["authorization_declined", "access_denied", "expired_token", "bad_verification_code"]
    {
        let mut device = Device::shown(CODES);
        let wish = device.tell(None).unwrap();
        device.wait(&wish);
        assert_eq!(device.answer(400, &error(no)).unwrap_err().class, Class::SignIn, "{no}");
    }
}

#[test]
fn trouble_on_the_way_does_not_end_the_sign_in() {
    let mut device = Device::shown(CODES);
    let wish = device.tell(None).unwrap();
    device.wait(&wish);
    let wish = device.answer(503, "").unwrap();
    device.wait(&wish);
    let broken = Failure::new(Class::Retry, "the line broke", "Wait");
    let wish = device.tell(Some(Reply::Failed(broken))).unwrap();
    device.wait(&wish);
    assert!(matches!(device.answer(200, TOKEN).unwrap(), Wish::Granted(_)));
}

#[test]
fn a_code_that_ended_is_asked_for_no_more() {
    let mut device = Device::shown(CODES);
    let mut asked = 0;
    let failure = loop {
        match device.tell(None) {
            Ok(Wish::Wait(pause)) => device.now += pause.as_secs(),
            Ok(Wish::Post(_)) => {
                asked += 1;
                device.answer(400, &error("authorization_pending")).unwrap();
                device.now += 7;
            }
            Ok(other) => panic!("{other:?}"),
            Err(failure) => break failure,
        }
    };
    assert_eq!(failure.class, Class::SignIn);
    assert_eq!((device.now, asked), (903, 900 / 7));
}

#[test]
fn an_interval_that_nobody_told_is_five_seconds_and_absurd_ones_are_bounded() {
    for (interval, pause) in
        [("", 5), (r#","interval":0"#, 1), (r#","interval":99999"#, 60), (r#","interval":null"#, 5)]
    {
        let codes = format!(
            r#"{{"device_code":"d","user_code":"u","expires_in":900,"verification_url":"https://x.example"{interval}}}"#
        );
        let mut device = Device::shown(&codes);
        let wish = device.tell(None).unwrap();
        assert_eq!(device.wait(&wish).0, pause, "{interval}");
    }
}

#[test]
fn no_code_is_an_error_of_the_authoritys() {
    for (status, body) in
        [(400, error("invalid_client")), (404, String::new()), (200, "{}".to_owned())]
    {
        let mut device = Device::begin();
        device.tell(None).unwrap();
        device.answer(status, &body).unwrap_err();
    }
}
