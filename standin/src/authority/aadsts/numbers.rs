//! The AADSTS numbers and what goes with each.

mod families;

use families::FAMILIES;

/// What goes with an AADSTS number.
pub(super) struct Kind {
    code: u32,
    pub(super) status: u16,
    pub(super) error: &'static str,
    pub(super) suberror: Option<&'static str>,
    pub(super) text: &'static str,
}

const fn row(code: u32, status: u16, error: &'static str, text: &'static str) -> Kind {
    Kind { code, status, error, suberror: None, text }
}

const fn interactive(code: u32, suberror: &'static str, text: &'static str) -> Kind {
    Kind { code, status: 400, error: "invalid_grant", suberror: Some(suberror), text }
}

/// What is known of a number.
pub(super) fn kind(code: u32) -> &'static Kind {
    let own = KINDS.iter().find(|kind| kind.code == code);
    let family = || FAMILIES.iter().find(|(codes, _)| codes.contains(&code)).map(|(_, kind)| kind);
    own.or_else(family).unwrap_or(&OTHER)
}

/// Any number that the table lacks.
const OTHER: Kind = row(0, 400, "invalid_request", "The request was refused.");

/// The numbers that a mail proxy meets, each with its text. Statuses and errors as Entra sends them, as far as that is known.
const KINDS: [Kind; 64] = [
    row(
        7_000_215,
        401,
        "invalid_client",
        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID.",
    ),
    row(
        7_000_216,
        401,
        "invalid_client",
        "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
    ),
    row(
        7_000_218,
        401,
        "invalid_client",
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
    ),
    row(7_000_222, 401, "invalid_client", "The provided client secret keys are expired."),
    row(700_024, 401, "invalid_client", "Client assertion is not within its valid time range."),
    row(
        700_025,
        401,
        "invalid_client",
        "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
    ),
    row(
        700_027,
        401,
        "invalid_client",
        "The certificate with identifier used to sign the client assertion is not registered on application.",
    ),
    row(700_016, 400, "unauthorized_client", "Application was not found in the directory."),
    row(700_011, 400, "unauthorized_client", "Application is disabled in the directory."),
    row(7_000_112, 400, "unauthorized_client", "Application is disabled."),
    row(
        90_002,
        400,
        "invalid_request",
        "Tenant not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.",
    ),
    row(
        50_059,
        400,
        "invalid_request",
        "No tenant-identifying information found in either the request or implied by any provided credentials.",
    ),
    row(
        9_001_023,
        400,
        "invalid_request",
        "The grant type is not supported over the /common or /consumers endpoints. Please use the /organizations or tenant-specific endpoint.",
    ),
    row(70_003, 400, "unsupported_grant_type", "The app requested an unsupported grant type."),
    row(
        70_011,
        400,
        "invalid_scope",
        "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid.",
    ),
    row(
        28_000,
        400,
        "invalid_request",
        "Provided value for the input parameter scope is not valid because it contains more than one resource.",
    ),
    row(500_011, 400, "invalid_resource", "The resource principal was not found in the tenant."),
    row(
        650_057,
        400,
        "invalid_resource",
        "Invalid resource. The client has requested access to a resource which is not listed in the requested permissions in the client's application registration.",
    ),
    row(900_144, 400, "invalid_request", "The request body must contain a required parameter."),
    row(
        900_561,
        400,
        "invalid_request",
        "The endpoint only accepts POST requests. Received a GET request.",
    ),
    row(9_002_313, 400, "invalid_request", "Invalid request. Request is malformed or invalid."),
    row(
        54_005,
        400,
        "invalid_grant",
        "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.",
    ),
    row(70_000, 400, "invalid_grant", "Provided grant is invalid or malformed."),
    row(
        70_008,
        400,
        "invalid_grant",
        "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource.",
    ),
    row(700_082, 400, "invalid_grant", "The refresh token has expired due to inactivity."),
    row(
        700_084,
        400,
        "invalid_grant",
        "The refresh token was issued to a single page app (SPA), and therefore has a fixed, limited lifetime.",
    ),
    interactive(
        50_173,
        "bad_token",
        "The provided grant has expired due to it being revoked, a fresh auth token is needed.",
    ),
    row(
        50_126,
        400,
        "invalid_grant",
        "Error validating credentials due to invalid username or password.",
    ),
    row(50_034, 400, "invalid_grant", "The user account does not exist in the directory."),
    row(
        50_053,
        400,
        "invalid_grant",
        "The account is locked, you've tried to sign in too many times with an incorrect user ID or password.",
    ),
    row(50_057, 400, "invalid_grant", "The user account is disabled."),
    interactive(
        65_001,
        "consent_required",
        "The user or administrator has not consented to use the application. Send an interactive authorization request for this user and resource.",
    ),
    interactive(
        50_076,
        "basic_action",
        "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access the resource.",
    ),
    interactive(
        50_079,
        "basic_action",
        "Due to a configuration change made by your administrator, or because you moved to a new location, you must enroll in multi-factor authentication to access the resource.",
    ),
    interactive(
        53_003,
        "message_only",
        "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.",
    ),
    row(530_035, 400, "access_denied", "Access has been blocked by security defaults."),
    row(
        50_196,
        400,
        "invalid_grant",
        "The server terminated an operation because it encountered a client request loop.",
    ),
    row(
        90_055,
        429,
        "temporarily_unavailable",
        "The server has terminated the request because there have been too many requests.",
    ),
    row(
        90_033,
        503,
        "temporarily_unavailable",
        "A transient error has occurred. Please try again.",
    ),
    row(50_000, 500, "server_error", "There was an error issuing a token."),
    row(
        70_016,
        400,
        "authorization_pending",
        "OAuth 2.0 device flow error. Authorization is pending. Continue polling.",
    ),
    row(
        70_018,
        400,
        "bad_verification_code",
        "Invalid verification code due to User typing in wrong user code for device code flow.",
    ),
    row(
        70_019,
        400,
        "expired_token",
        "Verification code expired. Please have the user retry the sign-in.",
    ),
    row(65_004, 400, "access_denied", "User declined to consent to access the app."),
    row(
        501_481,
        400,
        "invalid_grant",
        "The Code_Verifier does not match the code_challenge supplied in the authorization request.",
    ),
    row(
        501_491,
        400,
        "invalid_grant",
        "The size of the Code_Challenge or Code_Verifier parameter is not between 43 and 128.",
    ),
    row(
        700_005,
        400,
        "invalid_grant",
        "Provided Authorization Code is intended to use against other tenant, thus rejected.",
    ),
    row(
        500_112,
        401,
        "invalid_client",
        "The reply address does not match the reply address provided when requesting Authorization code.",
    ),
    row(
        50_011,
        400,
        "invalid_request",
        "The redirect URI specified in the request does not match the redirect URIs configured for the application.",
    ),
    row(
        700_054,
        400,
        "unsupported_response_type",
        "response_type is not enabled for the application.",
    ),
    row(70_007, 400, "unsupported_response_mode", "The value of 'response_mode' is not supported."),
    row(
        50_147,
        400,
        "invalid_request",
        "Invalid size of Code_Challenge parameter, or an unknown code_challenge_method.",
    ),
    row(50_058, 400, "login_required", "Session information is not sufficient for single-sign-on."),
    row(
        50_012,
        401,
        "invalid_client",
        "Client assertion audience claim does not match Realm issuer.",
    ),
    row(50_013, 401, "invalid_client", "Assertion failed signature validation."),
    row(50_027, 401, "invalid_client", "JWT token is invalid or malformed."),
    row(
        700_021,
        401,
        "invalid_client",
        "Client assertion application identifier doesn't match 'client_id' parameter.",
    ),
    row(
        700_211,
        401,
        "invalid_client",
        "No matching federated identity record found for presented assertion issuer.",
    ),
    row(
        700_212,
        401,
        "invalid_client",
        "No matching federated identity record found for presented assertion audience.",
    ),
    row(
        700_213,
        401,
        "invalid_client",
        "No matching federated identity record found for presented assertion subject.",
    ),
    row(
        90_038,
        400,
        "invalid_request",
        "The specified tenant belongs to another National Cloud, with which the current cloud instance does not federate.",
    ),
    row(
        900_382,
        400,
        "invalid_request",
        "Confidential Client is not supported in Cross Cloud request.",
    ),
    row(901_002, 400, "invalid_request", "The 'resource' request parameter is not supported."),
    row(
        50_020,
        400,
        "invalid_grant",
        "The user account from another identity provider does not exist in the tenant and cannot access the application in that tenant.",
    ),
];

#[cfg(test)]
mod tests {
    use super::{FAMILIES, KINDS};

    #[test]
    fn no_number_stands_twice() {
        for (index, kind) in KINDS.iter().enumerate() {
            assert!(KINDS[..index].iter().all(|other| other.code != kind.code), "{}", kind.code);
            let family = FAMILIES.iter().find(|(codes, _)| codes.contains(&kind.code));
            assert!(family.is_none(), "{}", kind.code);
        }
    }
}
