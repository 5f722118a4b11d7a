# What provider people of gatepost needs in Microsoft 365: delegated.
#
# Read it, then run it step by step in PowerShell 7, with the Azure CLI (az) and the module
# ExchangeOnlineManagement, as an administrator of Entra ID and of Exchange Online. gatepost has run
# nothing of it. It may be run again: what is there already stays as it is, and the command says so;
# only the step of the client secret makes another one.

az login --tenant 'contoso.example' --allow-no-subscriptions
Connect-ExchangeOnline

# The application's client id, as gatepost's configuration has it.
$appId = '66666666-7777-8888-9999-000000000000'

# Office 365 Exchange Online. Its permissions are the ones that count, not Microsoft Graph's.
$exchange = '00000002-0000-0ff1-ce00-000000000000'

$mailboxes = @(
    'jane@contoso.example'
)

# 1. The application: a public client, since it runs where others could read a secret. If there is none
#    yet, make one, put the id that it prints into client_id, and start over with this script as
#    gatepost prints it then:
#
#      az ad app create --display-name gatepost --sign-in-audience AzureADMyOrg --query appId --output tsv
#
#    Sign-ins by browser return to http://localhost, by device code nowhere.
az ad app update --id $appId --is-fallback-public-client true --public-client-redirect-uris http://localhost
az ad sp create --id $appId

# 2. What it may do for who signs in, with the tenant's consent, so that nobody else is asked for it.
foreach ($permission in 'IMAP.AccessAsUser.All', 'SMTP.Send', 'POP.AccessAsUser.All') {
    $id = az ad sp show --id $exchange --query "oauth2PermissionScopes[?value=='$permission'].id" --output tsv
    az ad app permission add --id $appId --api $exchange --api-permissions "$id=Scope"
}
az ad app permission admin-consent --id $appId

# 3. The protocols that the mailboxes are opened by.
foreach ($mailbox in $mailboxes) {
    Set-CASMailbox -Identity $mailbox -ImapEnabled $true -PopEnabled $true -SmtpClientAuthenticationDisabled $false
}

# 4. For a mailbox whose owner doesn't sign in, such as a shared one, let somebody else open it, and
#    name them in its [[mailbox]]: signed_in_as = "alice@contoso.example"
#
#      Add-MailboxPermission -Identity shared@contoso.example -User alice@contoso.example -AccessRights FullAccess
#      Add-RecipientPermission -Identity shared@contoso.example -Trustee alice@contoso.example -AccessRights SendAs

# 5. Exchange takes up to an hour to act on it. Then: gatepost login --all
