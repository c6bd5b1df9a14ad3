$group = $wsus.GetComputerTargetGroups() | Where-Object { $_.Name -eq $groups[0].Name } | Select-Object -First 1
$count = 0
$wsus.SearchUpdates('Malicious') | Where-Object { -not $_.IsDeclined -and $_.PublicationState -ne 'Expired' } | ForEach-Object {
    $update = $_
    if ($update.RequiresLicenseAgreementAcceptance) { $update.AcceptLicenseAgreement() }
    [void]$update.Approve([Microsoft.UpdateServices.Administration.UpdateApprovalAction]::Install, $group, (Get-Date '2045-01-01'))
    $count++
}
$scope = New-Object Microsoft.UpdateServices.Administration.UpdateScope
$scope.ApprovedStates = 'LatestRevisionApproved'
$scope.TextIncludes = 'Malicious'
$scope.UpdateApprovalScope = New-Object Microsoft.UpdateServices.Administration.UpdateApprovalScope
[void]$scope.UpdateApprovalScope.ComputerTargetGroups.Add($group)
"$($count -gt 0) $(@($wsus.GetUpdateApprovals($scope) | Where-Object { $_.Deadline.Year -eq 2045 }).Count -eq $count)"
