//! A mailbox's token, its claims, and the login of each protocol.

use std::time::SystemTime;

use super::Patient;
use super::remedy;
use super::report::{Check, Report};
use super::route::Routes;
use crate::cli::Exit;
use crate::cli::facts::Facts;
use crate::mailbox::{Mailbox, Service};
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
    for service in patient.services(&mailbox.provider) {
        let known = tokens.iter().find(|(scope, _)| *scope == service.scope);
        let bearer = match known {
            Some((_, bearer)) => bearer.clone(),
            None => {
                let bearer = token(patient, mailbox, service, report).await;
                tokens.push((&service.scope, bearer.clone()));
                bearer
            }
        };
        let Some(bearer) = bearer else {
            continue;
        };
        let claims = Claims::read(&bearer.token);
        let mut case = Case { patient, mailbox, service, facts: Facts::of(mailbox), claims };
        let found = case.claims(report);
        if !routes.lead_to(service) {
            report.add(Check::skip(service.protocol, "not tried: the mail host can't be reached"));
        } else if let Some(protocol) = Protocol::named(service.protocol) {
            case.login(protocol, &bearer, found, report).await;
        }
    }
}

async fn token(
    patient: &Patient<'_>,
    mailbox: &Mailbox,
    service: &Service,
    report: &mut Report,
) -> Option<Bearer> {
    let owner = mailbox.owner();
    let (provider, address, seed) = (&mailbox.provider, &owner.address, owner.seed());
    let margin = service.margin();
    let inquiry = patient.tokens.inquire(provider, address, seed, &service.scope, margin).await;
    match inquiry {
        Ok(bearer) => {
            let left = bearer.expires_at.duration_since(SystemTime::now()).unwrap_or_default();
            let text = format!(
                "the authority gave one for {}, {} min to go",
                service.scope,
                left.as_secs() / 60
            );
            report.add(Check::pass("token", text));
            Some(bearer)
        }
        Err(failure) => {
            report.add(remedy::of_failure(&failure, owner));
            None
        }
    }
}

impl Case<'_> {
    /// What the token's claims let expect; the one that bodes ill, if there is one.
    fn claims(&mut self, report: &mut Report) -> Option<&'static Finding> {
        let Some(claims) = &self.claims else {
            report
                .add(Check::pass("claims", "the token is opaque: only the mail host can read it"));
            return None;
        };
        let Service { protocol, host, .. } = self.service;
        let mailbox = &self.mailbox.owner().address;
        let expected = Expected { protocol, host, mailbox, now: SystemTime::now() };
        self.facts.learn(claims, &expected);
        let findings = expected.of(claims);
        if findings.is_empty() {
            let who = claims.account().or_else(|| claims.application()).unwrap_or("nobody");
            report
                .add(Check::pass("claims", format!("the token is {who}'s and fit for {protocol}")));
        }
        for finding in &findings {
            let text = format!("the token {} ({protocol})", self.facts.text(finding.meaning));
            let check = match finding.severity {
                Severity::Fail => Check::fail("claims", Exit::Config, text),
                Severity::Warn => Check::warn("claims", text),
            };
            let commands = finding.commands.iter().map(|line| self.facts.command(line)).collect();
            report.add(check.remedy(self.facts.text(finding.advice)).commands(commands));
        }
        findings.first().copied()
    }

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
