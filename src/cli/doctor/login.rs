//! A mailbox's token, its claims, and the login of each protocol.

use std::time::SystemTime;

use super::remedy;
use super::report::{Check, Report};
use super::route::Routes;
use super::{Patient, goes_by};
use crate::cli::Exit;
use crate::cli::facts::Facts;
use crate::mailbox::{Mailbox, Margin, Service};
use crate::oauth::claims::{Claims, Expected, Finding, Severity};
use crate::proto::{Cause, Probe, Protocol, Refusal, UpstreamTerms};
use crate::relay::upstream_refusal;
use crate::tokens::Bearer;
use crate::wire::{Halt, Handshake, Wire, dial};

/// What is known once the token of a service is there.
struct Case<'a> {
    patient: &'a Patient<'a>,
    mailbox: &'a Mailbox,
    service: &'a Service,
    facts: Facts,
    claims: Option<Claims>,
}

/// Tries every service of the mailbox's provider. A scope's token is asked for and shown once, however
/// many services share it.
pub(super) async fn try_all(
    patient: &Patient<'_>,
    routes: &Routes,
    mailbox: &Mailbox,
    report: &mut Report,
) {
    if !routes.leads_to_authority(&mailbox.provider) {
        report.add(Check::skip("token", "not tried: the authority can't be reached"));
        return;
    }
    let mut tokens: Vec<(&str, Option<Bearer>)> = Vec::new();
    let services = patient.services(&mailbox.provider);
    for service in services.filter(|service| goes_by(mailbox, service)) {
        let known = tokens.iter().find(|(scope, _)| *scope == service.scope);
        let bearer = match known {
            Some((_, bearer)) => bearer.clone(),
            None => {
                let asked = (service.scope.as_str(), service.margin());
                let bearer = token(patient, mailbox, asked, report).await;
                tokens.push((&service.scope, bearer.clone()));
                bearer
            }
        };
        let Some(bearer) = bearer else {
            continue;
        };
        let claims = Claims::read(&bearer.token);
        let mut facts = Facts::of(mailbox);
        let wanted = (service.protocol, service.host.as_str());
        let found = judge(claims.as_ref(), mailbox, wanted, &mut facts, report);
        let case = Case { patient, mailbox, service, facts, claims };
        if !routes.lead_to(service) {
            report.add(Check::skip(service.protocol, "not tried: the mail host can't be reached"));
        } else if let Some(protocol) = Protocol::named(service.protocol) {
            case.login(protocol, &bearer, found, report).await;
        }
    }
}

pub(super) async fn token(
    patient: &Patient<'_>,
    mailbox: &Mailbox,
    (scope, margin): (&str, Margin),
    report: &mut Report,
) -> Option<Bearer> {
    let owner = mailbox.owner();
    let (provider, address, seed) = (&mailbox.provider, &owner.address, owner.seed());
    let inquiry = patient.tokens.inquire(provider, address, seed, scope, margin).await;
    match inquiry {
        Ok(bearer) => {
            let left = bearer.expires_at.duration_since(SystemTime::now()).unwrap_or_default();
            let minutes = left.as_secs() / 60;
            let text = format!("the authority gave one for {scope}, {minutes} min to go");
            report.add(Check::pass("token", text));
            Some(bearer)
        }
        Err(failure) => {
            report.add(remedy::of_failure(&failure, owner));
            None
        }
    }
}

/// What a token's claims let expect of the host of a protocol; the one that bodes ill, if there is one.
/// What they tell is added to `facts`.
pub(super) fn judge(
    claims: Option<&Claims>,
    mailbox: &Mailbox,
    (protocol, host): (&str, &str),
    facts: &mut Facts,
    report: &mut Report,
) -> Option<&'static Finding> {
    let Some(claims) = claims else {
        report.add(Check::pass("claims", "the token is opaque: only its resource can read it"));
        return None;
    };
    let mailbox = &mailbox.owner().address;
    let expected = Expected { protocol, host, mailbox, now: SystemTime::now() };
    facts.learn(claims, &expected);
    let findings = expected.of(claims);
    if findings.is_empty() {
        let who = claims.account().or_else(|| claims.application()).unwrap_or("nobody");
        report.add(Check::pass("claims", format!("the token is {who}'s and fit for {protocol}")));
    }
    for finding in &findings {
        let text = format!("the token {} ({protocol})", facts.text(finding.meaning));
        let check = match finding.severity {
            Severity::Fail => Check::fail("claims", Exit::Config, text),
            Severity::Warn => Check::warn("claims", text),
        };
        let commands = finding.commands.iter().map(|line| facts.command(line)).collect();
        report.add(check.remedy(facts.text(finding.advice)).commands(commands));
    }
    findings.first().copied()
}

impl Case<'_> {
    /// The login itself, and what the protocol lets try once the mailbox is open.
    async fn login(
        &self,
        protocol: &Protocol,
        bearer: &Bearer,
        found: Option<&'static Finding>,
        report: &mut Report,
    ) {
        let Service { host, port, .. } = self.service;
        let mut wire = match self.open(protocol, bearer).await {
            Ok(wire) => wire,
            Err(refusal) => {
                report.add(self.refused(protocol, &refusal, found));
                return;
            }
        };
        let opened = match protocol.rehearsal {
            None => format!("{host}:{port} takes the token and opens the mailbox"),
            Some(_) => format!("{host}:{port} takes the token"),
        };
        report.add(Check::pass(protocol.name, opened));
        let Some(rehearse) = protocol.rehearsal else {
            return;
        };
        let config = self.patient.config;
        let mut session = rehearse(self.mailbox.address.clone(), config.limits.session);
        let handshake = Handshake::Connect(&self.patient.trust, host);
        match wire.drive(&mut *session, &handshake, config.timeouts.upstream_reply).await {
            Ok(()) => {
                let text =
                    format!("mail from {} would be taken; none was sent", self.mailbox.address);
                report.add(Check::pass(protocol.name, text));
            }
            Err(halt) => {
                let refusal = upstream_refusal(halt, self.service);
                report.add(self.refused(protocol, &refusal, found));
            }
        }
    }

    async fn open(&self, protocol: &Protocol, bearer: &Bearer) -> Result<Wire, Refusal> {
        let Patient { config, trust, .. } = self.patient;
        let Service { host, port, security, .. } = self.service;
        let (proxy, patience) = (config.proxy.as_ref(), config.timeouts.connect);
        let dialled = dial((host, *port), *security, trust, proxy, patience).await;
        let mut wire = dialled.map_err(|why| {
            Refusal::new(
                Cause::UpstreamUnreachable,
                format!("{host}:{port} can't be reached: {why}"),
            )
        })?;
        let terms = UpstreamTerms {
            name: config.name.clone(),
            security: *security,
            identity: self.mailbox.identity(protocol.name).to_owned(),
            token: bearer.token.clone(),
            remembered: None,
            probe: Probe::Mailbox,
            limits: config.limits.session,
        };
        let mut session = (protocol.upstream)(terms);
        let handshake = Handshake::Connect(trust, host);
        let driven = wire.drive(&mut *session, &handshake, config.timeouts.upstream_reply).await;
        driven.map_err(|halt: Halt| upstream_refusal(halt, self.service))?;
        Ok(wire)
    }

    /// What the claims foretold explains a refused token better than the host's words do.
    fn refused(
        &self,
        protocol: &Protocol,
        refusal: &Refusal,
        found: Option<&'static Finding>,
    ) -> Check {
        match found {
            Some(finding)
                if matches!(refusal.cause, Cause::TokenRefused | Cause::MailboxNotOpened) =>
            {
                let (text, exit) = (remedy::finding(refusal), remedy::exit(refusal.cause));
                Check::fail(protocol.name, exit, text).remedy(self.facts.text(finding.advice))
            }
            _ => remedy::of_refusal(protocol.name, refusal, &self.facts, self.claims.as_ref()),
        }
    }
}
