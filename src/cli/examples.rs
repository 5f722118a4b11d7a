//! What the help of the commands shows beside their arguments.

pub(super) const PLACES: &str =
    "Without -c: $XDG_CONFIG_HOME/gatepost/config.toml, then /etc/gatepost/config.toml.";

pub(super) const EXAMPLES: &str = "\
The configuration is the first of
  --config FILE
  $GATEPOST_CONFIG
  $XDG_CONFIG_HOME/gatepost/config.toml, or ~/.config/gatepost/config.toml, except for root
  /etc/gatepost/config.toml
  %ProgramData%\\gatepost\\config.toml on Windows

Examples:
  gatepost check -c ./config.toml
  gatepost run
  gatepost password hash";

pub(super) const CHECK_EXAMPLES: &str = "\
Examples:
  gatepost check
  gatepost check -c ./config.toml && systemctl reload gatepost";

pub(super) const CERT_EXAMPLES: &str = "\
Examples:
  gatepost cert new mail.lan 192.0.2.10
  gatepost cert new --force mail.lan     # before the old one ends; no restart is needed";

pub(super) const DOCTOR_EXAMPLES: &str = "\
Examples:
  gatepost doctor
  gatepost doctor scanner@contoso.example
  gatepost doctor --json | jq -r '.checks[] | select(.outcome == \"fail\") | .remedy'";

pub(super) const TOKEN_EXAMPLES: &str = "\
Examples:
  gatepost token scanner@contoso.example --show-claims
  curl -H \"Authorization: Bearer $(gatepost token scanner@contoso.example --resource graph)\" \\
    https://graph.microsoft.com/v1.0/users/scanner@contoso.example/messages
  gatepost token scanner@contoso.example --resource ews --json | jq -r .access_token";

pub(super) const ENTRA_EXAMPLES: &str = "\
Examples:
  gatepost entra-script > register.ps1
  gatepost entra-script --provider contoso --variant rbac";

pub(super) const HASH_EXAMPLES: &str = "\
Examples:
  gatepost password hash
  pwgen -s 24 1 | tee /dev/stderr | gatepost password hash";

pub(super) const ADD_EXAMPLES: &str = "\
Examples:
  gatepost password add scanner@contoso.example lobby
  gatepost password add scanner lobby --protocol smtp --network 10.1.2.3 --expires 90d";

pub(super) const LOGIN_EXAMPLES: &str = "\
Examples:
  gatepost login jane@contoso.example
  gatepost login --all --device";
