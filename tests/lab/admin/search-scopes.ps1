function Find([hashtable]$Fields) {
    $scope = New-Object Microsoft.UpdateServices.Administration.UpdateScope -Property $Fields
    $found = $wsus.GetUpdates($scope)
    if ($found.Count -ne $wsus.GetUpdateCount($scope)) { throw 'counts differ' }
    , @($found)
}
function Agrees([hashtable]$Fields, [scriptblock]$Test) {
    $found = (Find $Fields | ForEach-Object { $_.Id.UpdateId }) -join ' '
    $expected = ($wsus.GetUpdates() | Where-Object $Test | ForEach-Object { $_.Id.UpdateId }) -join ' '
    ($found -eq $expected -and $expected -ne '')
}
Agrees @{ ApprovedStates = 'Declined' } { $_.IsDeclined }
Agrees @{ ApprovedStates = 'LatestRevisionApproved' } { $_.IsApproved }
Agrees @{ ApprovedStates = 'NotApproved' } { -not $_.IsApproved -and -not $_.IsDeclined -and -not $_.HasStaleUpdateApprovals }
$middle = @($wsus.GetUpdates() | Sort-Object ArrivalDate)[30].ArrivalDate
Agrees @{ FromArrivalDate = $middle } { $_.ArrivalDate -ge $middle }
Agrees @{ ToArrivalDate = $middle } { $_.ArrivalDate -le $middle }
Agrees @{ FromArrivalDate = $middle.AddSeconds(0.5) } { $_.ArrivalDate -gt $middle }
Agrees @{ ToCreationDate = $middle } { $_.CreationDate -le $middle }
Agrees @{ TextIncludes = 'defender' } { $_.Title -match 'defender' }
Agrees @{ TextIncludes = "B$([char]0xDC)RO" } { $_.Title -match "b$([char]0xFC)ro" }
Agrees @{ TextNotIncludes = 'Defender' } { $_.Title -notmatch 'defender' }
Agrees @{ UpdateTypes = 'Driver' } { $_.UpdateType -eq 'Driver' }
Agrees @{ UpdateTypes = 'SoftwareUpdate' } { $_.UpdateType -eq 'Software' }
Agrees @{ UpdateApprovalActions = 'Uninstall' } { @($_.GetUpdateApprovals() | Where-Object { $_.Action -eq 'Uninstall' }).Count }
Agrees @{ ExcludeOptionalUpdates = $true } { @($_.GetUpdateApprovals() | Where-Object { $_.IsOptional }).Count -eq 0 }
(Find @{ UpdateSources = 'Other' }).Count
(Find @{ IsWsusInfrastructureUpdate = $true }).Count
$scope = New-Object Microsoft.UpdateServices.Administration.UpdateScope
[void]$scope.Categories.Add(($wsus.GetUpdateCategories() | Where-Object { $_.Title -eq 'Windows' }))
$family = $wsus.GetUpdates($scope); $family.Count -gt 0
@($family | Where-Object { $_.ProductFamilyTitles[0] -ne 'Windows' }).Count
$wsus.GetRootUpdateCategories()[0].GetUpdates().Count -eq $wsus.GetUpdateCount()
$wsus.GetUpdateClassifications() | Where-Object { $_.Title -eq 'Drivers' } | ForEach-Object { @($_.GetUpdates() | Where-Object { $_.UpdateType -ne 'Driver' }).Count }
$scope = New-Object Microsoft.UpdateServices.Administration.UpdateScope
$group = $wsus.GetUpdateApprovals($scope)[0].GetComputerTargetGroup()
[void]$scope.ApprovedComputerTargetGroups.Add($group)
@($wsus.GetUpdateApprovals($scope) | Where-Object { $_.ComputerTargetGroupId -ne $group.Id }).Count
$blocked = $free | Where-Object { $_.UpdateType -eq 'Driver' } | Select-Object -First 1
[void]$blocked.Approve('NotApproved', $group)
@($wsus.GetUpdates($scope) | Where-Object { $_.Id.UpdateId -eq $blocked.Id.UpdateId }).Count
