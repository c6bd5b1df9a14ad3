# Reports on computers, of which there are none, and on synchronisations.
$namespace = 'Microsoft.UpdateServices.Administration'
$scope = New-Object "$namespace.UpdateScope"
$computers = New-Object "$namespace.ComputerTargetScope"
$whole = $wsus.GetStatus()
$status = $wsus.GetUpdateStatus($scope, $true)
($whole.UpdateCount, $whole.ApprovedUpdateCount, $whole.DeclinedUpdateCount, $whole.ExpiredUpdateCount -join ' ') -eq
    ($status.UpdateCount, $status.ApprovedUpdateCount, $status.DeclinedUpdateCount, $status.ExpiredUpdateCount -join ' ')
$wsus.GetSummariesPerUpdate($scope, $computers).Count -eq $whole.UpdateCount
"$($wsus.GetSummariesPerComputerTarget($scope, $computers).Count) $($wsus.GetComputerStatus($computers, 'All').ComputerTargetCount)"
"$($all.GetTotalSummary($true).FailedCount) $($free[0].GetSummaryPerComputerTargetGroup().Count -eq $wsus.GetComputerTargetGroups().Count)"
"$($wsus.GetDownstreamServers().Count) $($wsus.GetUpdateEventHistory([DateTime]::MinValue, [DateTime]::MaxValue).Count)"
Refused { $wsus.GetComputerTargetByName('pc1') }
$scope.IncludedInstallationStates = 'NotInstalled, Failed'
$wsus.GetUpdates($scope).Count
$subscription = $wsus.GetSubscription()
$subscription.StartSynchronization()
$events = $subscription.GetEventHistory()
"$($events.Count) $($events[0].EventCategory) $($events[0].WsusEventId) $($events[1].WsusEventId)"
$wsus.GetSubscriptionEvent($events[1].Id).Message
$package = Join-Path $env:TEMP "$([Guid]::NewGuid()).xml.gz"
$wsus.ExportUpdates($package, "$package.log")
"$((Get-Item $package).Length -gt 1000) $(([xml](Get-Content "$package.log" -Encoding UTF8)).ExportLog.Update.Count -ge $whole.UpdateCount)"
Refused { $wsus.ExportUpdates($package, "$package.log") }
Refused { $wsus.ImportUpdates($package, "$package.2.log") }
Remove-Item $package, "$package.log"
$manager = $wsus.GetCleanupManager()
$manager.add_ProgressHandler({ param($sender, $progress) })
$manager.PerformCleanup((New-Object "$namespace.CleanupScope")).SupersededUpdatesDeclined
$wsus.GetDatabaseConfiguration().ConnectToDatabase()
($wsus.GetUpdateApprovals((New-Object "$namespace.UpdateScope")) | Where-Object { $_.GoLiveTime -ne $_.CreationDate } | Measure-Object).Count
