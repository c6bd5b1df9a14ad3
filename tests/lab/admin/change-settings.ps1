$config = $wsus.GetConfiguration(); $config.DownloadExpressPackages = $true
$wsus.GetConfiguration().DownloadExpressPackages
$languages = New-Object Collections.Specialized.StringCollection
[void]$languages.Add('en'); $config.SetEnabledUpdateLanguages($languages)
$config.TargetingMode = 'Client'; $config.Save()
$again = $wsus.GetConfiguration()
"$($again.DownloadExpressPackages) $($again.GetEnabledUpdateLanguages()) $($again.TargetingMode) $($again.GetUpdateServerConfigurationState())"
$again.ServerId -eq $config.ServerId
$subscription = $wsus.GetSubscription(); $subscription.NumberOfSynchronizationsPerDay = 4; $subscription.Save()
$wsus.GetSubscription().NumberOfSynchronizationsPerDay
$before = $subscription.GetSynchronizationHistory().Count
$subscription.StartSynchronization()
$last = $subscription.GetLastSynchronizationInfo()
"$($subscription.GetSynchronizationHistory().Count - $before) $($last.Result) $($last.StartedManually) $($subscription.GetSynchronizationStatus())"
