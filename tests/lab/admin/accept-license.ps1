$update = $wsus.GetUpdates() | Where-Object { $_.RequiresLicenseAgreementAcceptance } | Select-Object -First 1
Refused { $update.Approve('Install', $groups[0]) }
$terms = $update.GetInstallableItems()[0].Files | Where-Object { $_.IsEula -and $_.Name -like '*eula-en-*' }
$path = $wsus.GetConfiguration().LocalContentCachePath + ([Uri]$terms.FileUri).AbsolutePath.Substring('/Content'.Length)
Move-Item $path "$path.away"
Refused { $update.AcceptLicenseAgreement() }
Refused { $update.GetLicenseAgreement() }
Move-Item "$path.away" $path
$update.GetLicenseAgreement().IsAccepted
$update.AcceptLicenseAgreement(); $update.Refresh()
$update.RequiresLicenseAgreementAcceptance; $update.GetLicenseAgreement().IsAccepted
Move-Item $path "$path.away"
Refused { $update.Approve('Install', $groups[0]) }
Move-Item "$path.away" $path
Refused { $update.Approve('Install', $groups[0]) }
Refused { $free[0].GetLicenseAgreement() }
Refused { $free[0].AcceptLicenseAgreement() }
