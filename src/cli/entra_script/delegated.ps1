
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
foreach ($permission in <scopes>) {
    $id = az ad sp show --id $exchange --query "oauth2PermissionScopes[?value=='$permission'].id" --output tsv
    az ad app permission add --id $appId --api $exchange --api-permissions "$id=Scope"
}
az ad app permission admin-consent --id $appId

# 3. The protocols that the mailboxes are opened by.
foreach ($mailbox in $mailboxes) {
    Set-CASMailbox -Identity $mailbox <switches>
}

# 4. For a mailbox whose owner doesn't sign in, such as a shared one, let somebody else open it, and
#    name them in its [[mailbox]]: signed_in_as = "alice@contoso.example"
#
#      Add-MailboxPermission -Identity shared@contoso.example -User alice@contoso.example -AccessRights FullAccess
#      Add-RecipientPermission -Identity shared@contoso.example -Trustee alice@contoso.example -AccessRights SendAs

# 5. Exchange takes up to an hour to act on it. Then: gatepost login --all
