
# 1. The application. If there is none yet, make one, put the id that it prints into client_id, and
#    start over with this script as gatepost prints it then:
#
#      az ad app create --display-name gatepost --sign-in-audience AzureADMyOrg --query appId --output tsv
#
#    Its service principal is the "Enterprise application". It must not have the API permission
#    SMTP.SendAsApp: with it, Exchange wants mailbox permissions on top of the role below.
az ad sp create --id $appId

# 2. What it proves itself by: a client secret, for client_secret_file. It is shown this once.
az ad app credential reset --id $appId --append --display-name gatepost --years 1 --query password --output tsv

# 3. Exchange has to know the application, by the object id of the Enterprise application.
$objectId = az ad sp show --id $appId --query id --output tsv
New-ServicePrincipal -AppId $appId -ObjectId $objectId -DisplayName gatepost

# 4. The role to send, on these mailboxes and no others. It is for SMTP alone: IMAP and POP need the
#    variant app-only.
$filter = ($mailboxes | ForEach-Object { "PrimarySmtpAddress -eq '$($_.Replace("'", "''"))'" }) -join ' -or '
New-ManagementScope -Name 'gatepost mailboxes' -RecipientRestrictionFilter $filter
New-ManagementRoleAssignment -Name 'gatepost sends' -Role 'Application SMTP.SendAsApp' -App $objectId -CustomResourceScope 'gatepost mailboxes'

# 5. SMTP has to be on for them, and each should be in scope now.
foreach ($mailbox in $mailboxes) {
    Set-CASMailbox -Identity $mailbox -SmtpClientAuthenticationDisabled $false
    Test-ServicePrincipalAuthorization -Identity $objectId -Resource $mailbox
}

# 6. Exchange takes up to two hours to act on it. Then: gatepost doctor
