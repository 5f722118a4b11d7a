# What provider <provider> of gatepost needs in Microsoft 365: <variant>.
#
# Read it, then run it step by step in PowerShell 7, with the Azure CLI (az) and the module
# ExchangeOnlineManagement, as an administrator of Entra ID and of Exchange Online. gatepost has run
# nothing of it. It may be run again: what is there already stays as it is, and the command says so;
# only the step of the client secret makes another one.

az login --tenant <tenant> --allow-no-subscriptions
Connect-ExchangeOnline

# The application's client id, as gatepost's configuration has it.
$appId = <client id>

# Office 365 Exchange Online. Its permissions are the ones that count, not Microsoft Graph's.
$exchange = '00000002-0000-0ff1-ce00-000000000000'

$mailboxes = @(
<mailboxes>
)
