//! A program of the operator's that prints access tokens, for what no grant here knows.

use std::sync::Arc;
use std::time::SystemTime;

use super::advice::{Class, Failure};
use super::inquiry::line;
use super::{
    Application, Ask, Credential, Exchange, Grant, Owner, Proof, Reply, Seed, Wish, endpoint,
};

pub(super) const GRANT: Grant = Grant {
    name: "command",
    owner: Owner::Unattended,
    proof: Proof::Program,
    seed: Seed::None,
    begin,
    sign_in: None,
};

const OUTPUT: &str = "Let it print nothing but the access token, or JSON such as {\"access_token\": \"…\", \"expires_in\": 3600}";

fn begin(application: &Arc<Application>, ask: &Ask) -> Result<Box<dyn Exchange>, Failure> {
    let Credential::Program(words) = &application.credential else {
        return Err(Failure::new(
            Class::Configure,
            "the grant command has no program to run",
            "Add command to the provider",
        ));
    };
    let word =
        |word: &String| word.replace("{mailbox}", &ask.mailbox).replace("{scope}", &ask.scope);
    Ok(Box::new(Program { words: words.iter().map(word).collect() }))
}

struct Program {
    words: Vec<String>,
}

impl Exchange for Program {
    fn advance(&mut self, now: SystemTime, reply: Option<Reply>) -> Result<Wish, Failure> {
        let content = match reply {
            Some(Reply::Failed(failure)) => return Err(failure),
            Some(Reply::Content(content)) => content,
            _ => return Ok(Wish::Run(self.words.clone())),
        };
        let token = match content.reveal().trim_ascii_start().first() {
            Some(b'{') => endpoint::printed(now, content.reveal()),
            _ => line(&content).map(|access| endpoint::bare(now, access)),
        };
        token.map(Wish::Granted).ok_or_else(|| {
            let program = self.words.first().map_or("the program", String::as_str);
            Failure::new(Class::Configure, format!("{program} prints no access token"), OUTPUT)
        })
    }
}
