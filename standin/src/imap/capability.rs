//! The lists of capabilities.

use crate::knobs::Knobs;

/// How far the client is when it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    BeforeLogin,
    AfterLogin,
}

const BEFORE_LOGIN: &str = "IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS ID UNSELECT \
    CHILDREN IDLE NAMESPACE LITERAL+";
const AFTER_LOGIN: &str = "IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID UNSELECT \
    CLIENTACCESSRULES CLIENTNETWORKPRESENCELOCATION BACKENDAUTHENTICATE CHILDREN IDLE NAMESPACE \
    LITERAL+";

/// Gmail's, without what the stand-in does not have.
const GOOGLE_BEFORE_LOGIN: &str = "IMAP4rev1 UNSELECT IDLE NAMESPACE ID CHILDREN SASL-IR AUTH=XOAUTH2 AUTH=PLAIN AUTH=OAUTHBEARER";
const GOOGLE_AFTER_LOGIN: &str =
    "IMAP4rev1 UNSELECT IDLE NAMESPACE ID CHILDREN UIDPLUS MOVE LITERAL+";

/// The list behind `* CAPABILITY`.
pub(super) fn list(stage: Stage, knobs: &Knobs) -> String {
    let list = match (stage, knobs.google) {
        (Stage::BeforeLogin, false) => BEFORE_LOGIN,
        (Stage::AfterLogin, false) => AFTER_LOGIN,
        (Stage::BeforeLogin, true) => GOOGLE_BEFORE_LOGIN,
        (Stage::AfterLogin, true) => GOOGLE_AFTER_LOGIN,
    };
    match knobs.imap_capability_without_sasl_ir {
        true => list.replace(" SASL-IR", ""),
        false => list.to_owned(),
    }
}
