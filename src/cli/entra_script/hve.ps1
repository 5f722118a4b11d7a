
# 1. The application. If there is none yet, make one, put the id that it prints into client_id, and
#    start over with this script as gatepost prints it then:
#
#      az ad app create --display-name gatepost --sign-in-audience AzureADMyOrg --query appId --output tsv
#
#    Its service principal is the "Enterprise application":
az ad sp create --id $appId

# 2. What it may ask of Exchange: High Volume Email has this one permission.
$id = az ad sp show --id $exchange --query "appRoles[?value=='Mail.Send'].id" --output tsv
az ad app permission add --id $appId --api $exchange --api-permissions "$id=Role"
az ad app permission admin-consent --id $appId

# 3. What it proves itself by: a client secret, for client_secret_file. It is shown this once.
az ad app credential reset --id $appId --append --display-name gatepost --years 1 --query password --output tsv

# 4. The accounts, and the application that may send by them. -AppIds takes the object id of the
#    Enterprise application, in spite of its name, and ten of them an account. Without a billing policy
#    for High Volume Email, Exchange sends nothing.
$objectId = az ad sp show --id $appId --query id --output tsv
foreach ($mailbox in $mailboxes) {
    if (-not (Get-MailUser -Identity $mailbox -ErrorAction SilentlyContinue)) {
        New-MailUser -HVEAccount -Name $mailbox.Split('@')[0] -PrimarySmtpAddress $mailbox
    }
    Add-HVEAppAccess -Identity $mailbox -AppIds $objectId
}

# 5. Exchange takes some minutes to act on it. Then: gatepost doctor
