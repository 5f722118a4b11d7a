//! Numbers that a mail proxy has to know and that are alike in all but their meaning.

use super::{Kind, row};

/// The numbers of which only the kind matters: `error` and status of many are not established.
pub(super) const FAMILIES: [(&[u32], Kind); 10] = [
    (&[700_030], row(0, 401, "invalid_client", "The client certificate is not authorized.")),
    (&[70_001], row(0, 400, "unauthorized_client", "The application is not found or is disabled.")),
    (
        &[900_023, 900_432, 50_049, 50_194, 9_002_332, 9_002_331, 90_124, 90_130, 50_128, 90_019],
        row(
            0,
            400,
            "invalid_request",
            "The request does not fit the tenant, the cloud or the account type.",
        ),
    ),
    (
        &[1_002_012],
        row(
            0,
            400,
            "invalid_scope",
            "The scope is not valid: client credential flows must have a scope value with /.default suffixed to the resource identifier.",
        ),
    ),
    (
        &[50_001, 650_052, 650_054, 650_056, 65_005],
        row(
            0,
            400,
            "invalid_resource",
            "The resource is not available to the application in this tenant.",
        ),
    ),
    (
        &[
            51_004, 50_014, 16_000, 500_208, 90_072, 50_055, 50_144, 50_132, 50_133, 50_056,
            500_571, 50_105, 50_131, 50_158, 530_032, 53_004, 53_010, 53_011, 50_089, 700_081,
            70_043, 90_094, 90_095, 90_008, 65_002,
        ],
        row(0, 400, "invalid_grant", "The account may not or cannot have a token."),
    ),
    (&[70_020], row(0, 400, "expired_token", "The device code has expired.")),
    (
        &[
            50_072, 50_074, 50_078, 50_097, 53_000, 53_001, 53_002, 50_129, 135_010, 135_011,
            700_003,
        ],
        Kind {
            code: 0,
            status: 400,
            error: "interaction_required",
            suberror: Some("basic_action"),
            text: "The user has to do something in a browser, or the device has to be registered.",
        },
    ),
    (&[50_088, 50_166], row(0, 429, "temporarily_unavailable", "The request has been throttled.")),
    (
        &[
            90_006, 90_012, 90_024, 90_090, 90_091, 50_033, 50_087, 70_012, 80_001, 80_002, 80_005,
            80_007, 80_010, 80_012, 80_013, 80_014, 40_010,
        ],
        row(
            0,
            503,
            "temporarily_unavailable",
            "A service that the authority depends on is not available.",
        ),
    ),
];
