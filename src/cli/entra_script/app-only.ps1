
# 1. The application. If there is none yet, make one, put the id that it prints into client_id, and
#    start over with this script as gatepost prints it then:
#
#      az ad app create --display-name gatepost --sign-in-audience AzureADMyOrg --query appId --output tsv
#
#    Its service principal is the "Enterprise application":
az ad sp create --id $appId

# 2. What it may ask of Exchange, with the tenant's consent.
foreach ($permission in <roles>) {
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
    Set-CASMailbox -Identity $mailbox <switches>
}

# 6. Exchange takes up to an hour to act on it. Then: gatepost doctor
