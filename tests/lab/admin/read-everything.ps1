function Show($Thing) {
    foreach ($property in $Thing.GetType().GetProperties()) {
        if ($property.GetIndexParameters().Count -eq 0) { $null = $property.GetValue($Thing, $null) }
    }
}
$update = ($wsus.GetUpdates() | Where-Object { $_.HasLicenseAgreement -and $_.IsApproved })[0]
Show $wsus; Show $wsus.GetConfiguration(); Show $wsus.GetSubscription(); Show $wsus.GetStatus()
Show $wsus.GetSubscription().GetLastSynchronizationInfo(); Show $wsus.GetDatabaseConfiguration()
Show $wsus.GetContentDownloadProgress(); Show $wsus.GetComputerTargetGroups()[0]
Show $update; Show $update.GetLicenseAgreement(); Show $update.GetUpdateApprovals()[0]
Show $update.GetUpdateClassification(); Show $update.GetUpdateCategories()[0]
Show $update.GetInstallableItems()[0]; Show $update.GetInstallableItems()[0].Files[0]
Show $update.GetSummaryForComputerTargetGroup($wsus.GetComputerTargetGroups()[0])
'read'
[Reflection.Assembly]::Load('Microsoft.UpdateServices.Administration, Version=4.0.0.0, Culture=neutral, PublicKeyToken=31bf3856ad364e35').GetName().Name
