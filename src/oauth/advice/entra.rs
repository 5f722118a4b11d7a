//! Entra's AADSTS numbers: who has to act, what happened, what to do. From Microsoft's list of
//! authentication error codes and from replies seen.

use super::Class::{Configure, Policy, Retry, SignIn};
use super::{Row, row};

/// The numbers under which a refresh token is gone for good: expired, revoked or out of its policy's
/// time. All others pass when somebody corrects a policy, a consent, an account or a scope.
pub(super) const ENDS_REFRESH_TOKEN: &[u32] =
    &[50132, 50133, 50173, 70008, 70043, 700081, 700082, 700084];

const SIGN_IN: &str = "Sign in again with the mailbox's account";
const RESTART: &str = "Start the sign-in again";
const AUTHORITY: &str = "Put the tenant's id or verified domain into the token endpoint";
const CLOUD: &str = "Use the authority of the tenant's own national cloud";
const APP_SCOPE: &str =
    "For app-only access to Exchange request https://outlook.office365.com/.default";
const LOG: &str = "Find the policy by the correlation id in the tenant's sign-in log, and exclude this application or account";
const WAIT: &str = "Nothing to do: it will be asked again";

// A table reads by rows.
#[rustfmt::skip]
pub(super) const NUMBERS: &[Row<u32>] = &[
    // The application's credential.
    row(Configure, &[7000215], "the client secret is wrong",
        "Configure the secret's Value, not its Secret ID, without blanks around it"),
    row(Configure, &[7000222], "the client secret has expired",
        "Create a new client secret for the application and configure it"),
    row(Configure, &[7000216], "the request carries no credential of the application",
        "Configure the application's client secret"),
    row(Configure, &[7000218], "the application must prove itself with a secret or an assertion",
        "Configure its client secret, or enable \"Allow public client flows\" in its registration"),
    row(Configure, &[700025], "the application is a public client and may not send a secret",
        "Remove the client secret, or register the application as a web application"),
    row(Configure, &[700027], "the application's registration doesn't know the key that signed the assertion",
        "Upload the certificate to the application registration"),
    row(Configure, &[700024], "the assertion isn't within its time of validity",
        "Set this host's clock"),
    row(Configure, &[700030, 50012], "the application's certificate isn't authorised",
        "Check the certificate in the application registration"),
    row(Configure, &[700211, 700212, 700213], "no federated credential of the application matches the assertion",
        "Make the federated credential's issuer, audience and subject those of the assertion"),
    // Application and tenant.
    row(Configure, &[700016], "the tenant doesn't know the application",
        "Check tenant and client id, and that an administrator has consented"),
    row(Configure, &[700011, 70001, 7000112], "the application is missing or disabled in the tenant",
        "Enable it under Enterprise applications"),
    row(Configure, &[90002], "there is no such tenant",
        "Check the tenant in the token endpoint, and whether it lives in another national cloud"),
    row(Configure, &[900023], "the tenant's identifier is malformed",
        AUTHORITY),
    row(Configure, &[90038, 900432, 900382], "the tenant lives in another national cloud",
        CLOUD),
    row(Configure, &[50049], "the cloud instance is unknown",
        "Check the token endpoint's host name"),
    row(Configure, &[50194], "the application is for one tenant and can't use /common",
        AUTHORITY),
    row(Configure, &[9001023], "this grant doesn't work with /common or /consumers",
        AUTHORITY),
    row(Configure, &[9002332, 9002331], "the application's account type doesn't fit the authority",
        "Use /consumers for personal accounts and the tenant for those of an organisation"),
    row(Configure, &[90124, 90130], "the application or resource doesn't work with /common",
        AUTHORITY),
    row(Configure, &[50059, 50128, 90019], "the authority can't tell the tenant",
        AUTHORITY),
    row(Configure, &[65002], "the client id belongs to one of Microsoft's own applications",
        "Register an application of your own"),
    // Scope and request.
    row(Configure, &[70011], "the scope doesn't fit this grant",
        APP_SCOPE),
    row(Configure, &[1002012], "an app-only scope must end in /.default",
        APP_SCOPE),
    row(Configure, &[28000, 700022], "the scope names several resources",
        "Request one resource a token: keep Graph's scopes apart from Outlook's"),
    row(Configure, &[28002, 28003, 700023], "the scope is empty or wasn't part of the sign-in",
        "Configure the mail scopes that were consented to"),
    row(Configure, &[500011, 50001, 650052, 650054], "the tenant doesn't have the resource",
        "Check the scope for typing errors, and that the tenant has an Exchange Online licence"),
    row(Configure, &[650057, 650056, 65005], "the application's registration doesn't list the permission",
        "Add Office 365 Exchange Online's permission to the registration, and let an administrator consent"),
    row(Configure, &[50011, 70004, 900971], "the redirect URI isn't registered",
        "Add http://localhost to the registration under Mobile and desktop applications"),
    row(Configure, &[9002327], "the redirect URI is registered for a single-page application",
        "Move it to Mobile and desktop applications"),
    row(Configure, &[900144, 90014, 9002313, 90023, 90100, 900561], "the request is malformed or lacks a parameter",
        "Check token endpoint, client id and scope of the provider"),
    row(Configure, &[901002], "the endpoint doesn't take the parameter resource",
        "Configure a scope"),
    row(Configure, &[70003], "the authority doesn't have this grant",
        "Configure a grant that the authority supports"),
    // Consent.
    row(SignIn, &[65001], "nobody has consented to the application's permissions",
        "Sign in again and consent, or let an administrator consent for the tenant"),
    row(SignIn, &[65004], "the consent was declined",
        "Sign in again and consent"),
    row(SignIn, &[90094, 90095, 90008], "an administrator must consent",
        "Let an administrator open the application's admin consent page"),
    // Sign-in.
    row(SignIn, &[501481, 50147, 501491], "the sign-in's code verifier doesn't match",
        RESTART),
    row(SignIn, &[54005, 700005], "the sign-in's code was used before, or in another tenant",
        RESTART),
    row(SignIn, &[50126], "the account's name or password is wrong",
        "Correct the account's password"),
    row(SignIn, &[50055, 50144, 50132, 50133], "the account's password has expired or was changed",
        SIGN_IN),
    row(SignIn, &[50056], "the authority has no password of the account",
        "Sign in interactively"),
    row(SignIn, &[50058], "nobody is signed in",
        "Sign in interactively"),
    row(SignIn, &[50072, 50074, 50076, 50078, 50079], "the authority wants a second factor",
        "Sign in interactively once; a password alone can't do it"),
    row(SignIn, &[50173, 50089], "the sign-in was revoked, as after a change of the password",
        SIGN_IN),
    row(SignIn, &[70000], "the authority doesn't accept the sign-in any more, or has blocked the account",
        "Sign in again; if that fails, unblock the account at its provider"),
    row(SignIn, &[700082, 70008, 700081], "the sign-in has expired: unused for 90 days, or over its longest age",
        "Sign in again, and keep gatepost running so that it is renewed"),
    row(SignIn, &[700084], "the sign-in came from a single-page application and ended after 24 hours",
        "Register the redirect URI under Mobile and desktop applications, and sign in again"),
    row(SignIn, &[70016], "the sign-in isn't finished",
        "Finish it in the browser"),
    row(SignIn, &[70018, 70019, 70020], "the sign-in's code is wrong or has expired",
        RESTART),
    // The account.
    row(Configure, &[50034, 51004, 50014], "the tenant doesn't know the account",
        "Check address and tenant"),
    row(Configure, &[50020, 16000, 500208, 90072], "the account belongs to another tenant or is a personal one",
        "Sign in with a member of this tenant, or use the account's own authority"),
    row(Configure, &[50057, 500571], "the account is disabled",
        "Enable the account"),
    row(Configure, &[50105], "the account isn't assigned to the application",
        "Assign it, or turn off \"Assignment required\" of the enterprise application"),
    // Policy.
    row(Policy, &[50053], "the account is locked, or this host's address is blocked",
        "Unblock it in the tenant, or wait; the sign-in log names the reason"),
    row(Policy, &[50097, 53000, 53001, 53002, 50129, 135010, 135011, 700003], "a policy wants a registered or compliant device",
        "Exclude this application or account from the policy, or use app-only access"),
    row(Policy, &[53003, 530032, 50131, 50158], "Conditional Access blocks it",
        LOG),
    row(Policy, &[530035], "the tenant's security defaults block it",
        "Use app-only access or an interactive sign-in, or review the security defaults"),
    row(Policy, &[53004, 53010, 53011], "the account is held for a risk or can't register a second factor",
        "Let the tenant's administrator clear the account"),
    row(Policy, &[70043], "the policy's sign-in frequency has ended the sign-in",
        "Sign in again, and exclude this application from the sign-in frequency"),
    // The authority itself.
    row(Retry, &[50196], "the authority takes the requests for a loop",
        "Nothing to do: it will be left alone for some minutes. See whether the client id is used elsewhere"),
    row(Retry, &[90055, 50088, 50166], "the authority is throttling",
        WAIT),
    row(Retry, &[90033, 90006, 90012, 90024, 90090, 90091, 50033, 50087, 70012, 40010], "the authority is in trouble",
        WAIT),
    row(Retry, &[80001, 80002, 80003, 80004, 80005, 80006, 80007, 80008, 80009, 80010, 80011, 80012, 80013, 80014],
        "the tenant's own sign-in agent can't be reached or is in trouble",
        "It will be asked again; if it lasts, check the tenant's authentication agents"),
    row(Retry, &[50000], "the authority couldn't make the token",
        "It will be asked again; if it lasts, give Microsoft's support the correlation id"),
];
