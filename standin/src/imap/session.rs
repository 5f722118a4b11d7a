//! What a logged-in client can do.

use std::sync::Arc;

use imap_codec::imap_types::command::CommandBody;
use imap_codec::imap_types::extensions::binary::LiteralOrLiteral8;
use imap_codec::imap_types::mailbox::Mailbox as FolderName;
use tokio::sync::watch;

use crate::store::{Flags, FolderError, Mailbox};

use super::fetch::Items;
use super::folders;
use super::response::Response;
use super::selected::{self, Selected};
use super::selection::{Access, Expunges, Numbering, Selection};

/// How a command ended. The text behind OK is the same for all commands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Ok,
    /// With this response code, without its brackets.
    OkCode(String),
    No(&'static str),
    Bad(&'static str),
}

/// The command is known and makes no sense now.
pub(super) const WRONG_STATE: Verdict = Verdict::Bad("Command Error. 12");

pub(super) struct Session {
    mailbox: Arc<Mailbox>,
    selection: Option<Selection>,
}

impl Session {
    pub(super) fn new(mailbox: Arc<Mailbox>) -> Self {
        Self { mailbox, selection: None }
    }

    /// Becomes ready when [`Session::report`] may have something to tell.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.mailbox.changes()
    }

    /// Tells what has happened in the selected folder.
    pub(super) fn report(&mut self, expunges: Expunges, response: &mut Response) {
        if let Some(selection) = &mut self.selection {
            selection.report(&self.mailbox, response, expunges);
        }
    }

    /// Carries out a command and writes its untagged responses.
    pub(super) fn perform(&mut self, command: CommandBody<'_>, response: &mut Response) -> Verdict {
        let expunges = match &command {
            CommandBody::Fetch { uid, .. }
            | CommandBody::Store { uid, .. }
            | CommandBody::Search { uid, .. }
                if !uid =>
            {
                Expunges::Hold
            }
            _ => Expunges::Tell,
        };
        let verdict = self.dispatch(command, response);
        self.report(expunges, response);
        verdict
    }

    fn dispatch(&mut self, command: CommandBody<'_>, response: &mut Response) -> Verdict {
        type Body<'c> = CommandBody<'c>;
        let mailbox = &self.mailbox;
        match command {
            Body::Noop | Body::Check => Verdict::Ok,
            Body::Namespace => {
                response.line("* NAMESPACE ((\"\" \"/\")) NIL NIL");
                Verdict::Ok
            }
            Body::Select { mailbox } => self.select(&mailbox, Access::ReadWrite, response),
            Body::Examine { mailbox } => self.select(&mailbox, Access::ReadOnly, response),
            Body::List { reference, mailbox_wildcard } => {
                let pattern = folders::pattern(&folder_name(&reference), &mailbox_wildcard);
                folders::list(mailbox, &pattern, response)
            }
            Body::Lsub { reference, mailbox_wildcard } => {
                let pattern = folders::pattern(&folder_name(&reference), &mailbox_wildcard);
                folders::list_subscribed(mailbox, &pattern, response)
            }
            Body::Status { mailbox: name, item_names } => {
                folders::status(mailbox, &folder_name(&name), &item_names, response)
            }
            Body::Append { mailbox: name, flags, date, message } => {
                let date = date.map(|date| date.as_ref().timestamp());
                append(mailbox, &folder_name(&name), selected::flags(&flags), date, &message)
            }
            Body::Create { .. }
            | Body::Delete { .. }
            | Body::Rename { .. }
            | Body::Subscribe { .. }
            | Body::Unsubscribe { .. } => change_folders(mailbox, &command),
            other => self.dispatch_selected(other, response),
        }
    }

    fn dispatch_selected(&mut self, command: CommandBody<'_>, response: &mut Response) -> Verdict {
        type Body<'c> = CommandBody<'c>;
        let Some(selection) = &mut self.selection else {
            return WRONG_STATE;
        };
        let mut selected = Selected { mailbox: &self.mailbox, selection, response };
        match command {
            Body::Fetch { sequence_set, macro_or_item_names, uid } => {
                let numbering = Numbering::from(uid);
                selected.fetch(
                    &sequence_set,
                    &Items::new(macro_or_item_names, numbering),
                    numbering,
                )
            }
            Body::Store { sequence_set, kind, response, flags, uid } => {
                let change = selected::FlagUpdate::new(kind, response, &flags);
                selected.store(&sequence_set, &change, uid.into())
            }
            Body::Search { charset, criteria, uid } => {
                selected.search(charset.as_ref(), criteria.as_ref(), uid.into())
            }
            Body::Copy { sequence_set, mailbox, uid } => {
                selected.copy(&sequence_set, &folder_name(&mailbox), uid.into())
            }
            Body::Move { sequence_set, mailbox, uid } => {
                selected.relocate(&sequence_set, &folder_name(&mailbox), uid.into())
            }
            Body::Expunge => selected.expunge(None),
            Body::ExpungeUid { sequence_set } => selected.expunge(Some(&sequence_set)),
            Body::Close => {
                selected.close();
                self.deselect()
            }
            Body::Unselect => self.deselect(),
            _ => WRONG_STATE,
        }
    }

    fn deselect(&mut self) -> Verdict {
        self.selection = None;
        Verdict::Ok
    }

    /// A failed SELECT leaves nothing selected (RFC 3501 section 6.3.1).
    fn select(
        &mut self,
        name: &FolderName<'_>,
        access: Access,
        response: &mut Response,
    ) -> Verdict {
        self.selection = None;
        match Selection::open(&self.mailbox, folder_name(name), access, response) {
            Err(error) => folders::done(Err(error)),
            Ok(selection) => {
                self.selection = Some(selection);
                Verdict::OkCode(match access {
                    Access::ReadWrite => "READ-WRITE".to_owned(),
                    Access::ReadOnly => "READ-ONLY".to_owned(),
                })
            }
        }
    }
}

fn change_folders(mailbox: &Mailbox, command: &CommandBody<'_>) -> Verdict {
    match command {
        CommandBody::Create { mailbox: name } => folders::done(mailbox.create(&folder_name(name))),
        CommandBody::Delete { mailbox: name } => folders::done(mailbox.delete(&folder_name(name))),
        CommandBody::Rename { from, to } => {
            folders::done(mailbox.rename(&folder_name(from), &folder_name(to)))
        }
        CommandBody::Subscribe { mailbox: name } => {
            mailbox.subscribe(&folder_name(name));
            Verdict::Ok
        }
        CommandBody::Unsubscribe { mailbox: name } => {
            mailbox.unsubscribe(&folder_name(name));
            Verdict::Ok
        }
        _ => WRONG_STATE,
    }
}

fn append(
    mailbox: &Mailbox,
    folder: &str,
    flags: Flags,
    date: Option<i64>,
    message: &LiteralOrLiteral8<'_>,
) -> Verdict {
    let raw = match message {
        LiteralOrLiteral8::Literal(literal) => literal.as_ref(),
        LiteralOrLiteral8::Literal8(literal) => &literal.data,
    };
    match mailbox.append(folder, Arc::from(raw), flags, date) {
        Ok((validity, uid)) => Verdict::OkCode(format!("APPENDUID {validity} {uid}")),
        Err(FolderError::Missing) => folders::TRY_CREATE,
        Err(error) => folders::done(Err(error)),
    }
}

fn folder_name(name: &FolderName<'_>) -> String {
    match name {
        FolderName::Inbox => "INBOX".to_owned(),
        FolderName::Other(name) => String::from_utf8_lossy(name.as_ref()).into_owned(),
    }
}
