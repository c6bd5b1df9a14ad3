$config = $wsus.GetConfiguration(); $config.DownloadExpressPackages = $true
$wsus.GetConfiguration().DownloadExpressPackages
$languages = New-Object Collections.Specialized.StringCollection
[void]$languages.Add('en'); $config.SetEnabledUpdateLanguages($languages)
$config.MURollupOptin = $true; $config.ProxyUserName = 'svc'; $config.SetProxyPassword('secret')
$config.ClientReportingLevel = 'StatusOnly'; $config.ServerEventExpirationTime = [TimeSpan]::FromDays(3)
$config.TargetingMode = 'Client'; $config.Save()
$again = $wsus.GetConfiguration()
"$($again.DownloadExpressPackages) $($again.GetEnabledUpdateLanguages()) $($again.TargetingMode) $($again.GetUpdateServerConfigurationState())"
"$($again.MURollupOptin) $($again.ProxyUserName) $($again.HasProxyPassword) $($again.ClientReportingLevel) $($again.ServerEventExpirationTime)"
$again.ServerId -eq $config.ServerId
$subscription = $wsus.GetSubscription(); $subscription.NumberOfSynchronizationsPerDay = 4; $subscription.Save()
$wsus.GetSubscription().NumberOfSynchronizationsPerDay
$drivers = New-Object Microsoft.UpdateServices.Administration.UpdateClassificationCollection
[void]$drivers.Add(($wsus.GetUpdateClassifications() | Where-Object { $_.Title -eq 'Drivers' }))
$subscription.SetUpdateClassifications($drivers)
$unsaved = $wsus.GetSubscription().GetUpdateClassifications().Count
$subscription.Save()
"$unsaved $($wsus.GetSubscription().GetUpdateClassifications()[0].Title) $($wsus.GetSubscription().GetUpdateCategories().Count)"
$before = $subscription.GetSynchronizationHistory().Count
$subscription.StartSynchronization()
$last = $subscription.GetLastSynchronizationInfo()
"$($subscription.GetSynchronizationHistory().Count - $before) $($last.Result) $($last.StartedManually) $($subscription.GetSynchronizationStatus())"
$mail = $wsus.GetEmailNotificationConfiguration()
"$($mail.SmtpPort) $($mail.SendSyncNotification) $($mail.SyncNotificationRecipients.Count) $($null -eq $mail.SenderEmailAddress) $($mail.SupportedEmailLanguages.Contains('de'))"
$mail.SmtpHostName = 'mail.example'; $mail.SenderEmailAddress = 'wsus@example.com'; $mail.SendSyncNotification = $true
$mail.SyncNotificationRecipients.Add('admins@example.com'); $mail.StatusNotificationFrequency = 'Weekly'
$mail.StatusNotificationTimeOfDay = New-TimeSpan -Hours 7; $mail.SetSmtpUserPassword('secret')
"$($wsus.GetEmailNotificationConfiguration().SendSyncNotification)"
$mail.Save(); $mail = $wsus.GetEmailNotificationConfiguration()
"$($mail.SmtpHostName) $($mail.SenderEmailAddress.Address) $($mail.SyncNotificationRecipients) $($mail.StatusNotificationFrequency) $($mail.StatusNotificationTimeOfDay) $($mail.HasSmtpUserPassword)"
