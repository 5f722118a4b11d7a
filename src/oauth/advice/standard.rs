//! Error codes of RFC 6749 section 5.2, RFC 8707, OpenID Connect and Google, for replies without a
//! number of Entra's.

use super::Class::{Configure, Policy, Retry, SignIn};
use super::{Row, row};

const CONSENT: &str = "Sign in again and consent, or let an administrator consent";
const REGISTRATION: &str = "Compare client id and client secret with the application registration";
const WAIT: &str = "Nothing to do: it will be asked again";

// A table reads by rows.
#[rustfmt::skip]
pub(super) const ERRORS: &[Row<&str>] = &[
    row(SignIn, &["invalid_grant"], "the sign-in has ended or was revoked",
        "Sign in again with the mailbox's account"),
    row(Configure, &["invalid_client"], "the authority doesn't know the application or its secret",
        REGISTRATION),
    row(Configure, &["unauthorized_client"], "the application may not use this grant",
        "Allow the grant in the application registration, or configure another"),
    row(Configure, &["unsupported_grant_type"], "the authority doesn't have this grant",
        "Configure a grant that the authority supports"),
    row(Configure, &["invalid_scope"], "the scope is unknown, malformed or more than was granted",
        "Correct the scope; for app-only access to Exchange it is https://outlook.office365.com/.default"),
    row(Configure, &["invalid_request"], "the authority can't make sense of the request",
        "Check token endpoint, client id and scope of the provider"),
    row(Configure, &["invalid_resource", "invalid_target"], "the authority doesn't know the resource",
        "Correct the resource that the scope begins with"),
    row(Configure, &["deleted_client", "disabled_client"], "the application was deleted or disabled",
        "Enable it, or register a new application"),
    row(Configure, &["org_internal"], "the application is for its own organisation's accounts only",
        "Use an account of that organisation, or open the application to others"),
    row(SignIn, &["access_denied"], "the sign-in or the consent was declined",
        CONSENT),
    row(SignIn, &["consent_required"], "consent is missing",
        CONSENT),
    row(SignIn, &["interaction_required", "login_required", "account_selection_required"],
        "the authority wants to see the person again",
        "Sign in again with the mailbox's account"),
    row(SignIn, &["authorization_pending", "slow_down"], "the sign-in isn't finished",
        "Finish it in the browser"),
    row(SignIn, &["authorization_declined", "expired_token", "bad_verification_code"],
        "the sign-in was declined or took too long",
        "Start the sign-in again"),
    row(Policy, &["admin_policy_enforced"], "the organisation's policy forbids the application",
        "Let an administrator trust the application for this scope"),
    row(Retry, &["temporarily_unavailable", "server_error", "internal_failure"],
        "the authority is in trouble",
        WAIT),
    row(Retry, &["rate_limit_exceeded", "quota_exceeded"], "the authority is throttling",
        WAIT),
];
