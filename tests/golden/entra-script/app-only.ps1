# What provider contoso of gatepost needs in Microsoft 365: app-only.
#
# Read it, then run it step by step in PowerShell 7, with the Azure CLI (az) and the module
# ExchangeOnlineManagement, as an administrator of Entra ID and of Exchange Online. gatepost has run
# nothing of it. It may be run again: what is there already stays as it is, and the command says so;
# only the step of the client secret makes another one.

az login --tenant 'contoso.example' --allow-no-subscriptions
Connect-ExchangeOnline

# The application's client id, as gatepost's configuration has it.
$appId = '11111111-2222-3333-4444-555555555555'

# Office 365 Exchange Online. Its permissions are the ones that count, not Microsoft Graph's.
$exchange = '00000002-0000-0ff1-ce00-000000000000'

$mailboxes = @(
    'o''hara@contoso.example'
    'scanner@contoso.example'
)

# 1. The application. If there is none yet, make one, put the id that it prints into client_id, and
#    start over with this script as gatepost prints it then:
#
#      az ad app create --display-name gatepost --sign-in-audience AzureADMyOrg --query appId --output tsv
#
#    Its service principal is the "Enterprise application":
az ad sp create --id $appId

# 2. What it may ask of Exchange, with the tenant's consent.
foreach ($permission in 'IMAP.AccessAsApp', 'SMTP.SendAsApp', 'POP.AccessAsApp') {
    $id = az ad sp show --id $exchange --query "appRoles[?value=='$permission'].id" --output tsv
    az ad app permission add --id $appId --api $exchange --api-permissions "$id=Role"
}
az ad app permission admin-consent --id $appId

# 3. What it proves itself by: a client secret, for client_secret_file. It is shown this once.
az ad app credential reset --id $appId --append --display-name gatepost --years 1 --query password --output tsv

# 4. Exchange has to know the application, by the object id of the Enterprise application. The one of
#    the app registration looks alike, is taken too, and fails at the first login.
$objectId = az ad sp show --id $appId --query id --output tsv
New-ServicePrincipal -AppId $appId -ObjectId $objectId -DisplayName gatepost
$principal = (Get-ServicePrincipal -Identity $objectId).Identity

# 5. The mailboxes that it may open, and the protocols that it opens them by.
foreach ($mailbox in $mailboxes) {
    Add-MailboxPermission -Identity $mailbox -User $principal -AccessRights FullAccess
    Set-CASMailbox -Identity $mailbox -ImapEnabled $true -PopEnabled $true -SmtpClientAuthenticationDisabled $false
}

# 6. Exchange takes up to an hour to act on it. Then: gatepost doctor
