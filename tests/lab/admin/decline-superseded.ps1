$count = 0
$allUpdates = $wsus.GetUpdates()
foreach ($update in $allUpdates) {
    if ($update.IsDeclined) { continue }
    if ($update.IsSuperseded -and $update.GetRelatedUpdates([Microsoft.UpdateServices.Administration.UpdateRelationship]::UpdatesThatSupersedeThisUpdate).Count -gt 0) {
        try { $update.Decline(); $count++ } catch [System.Exception] { Write-Host 'Failed to decline' $update.Id.UpdateId.Guid }
    }
}
$scope = New-Object Microsoft.UpdateServices.Administration.UpdateScope
$scope.ApprovedStates = [Microsoft.UpdateServices.Administration.ApprovedStates]::Declined
$left = $wsus.GetUpdates() | Where-Object { $_.IsSuperseded -and -not $_.IsDeclined } | Measure-Object
"$($count -gt 0) $($left.Count) $(@($wsus.GetUpdates($scope) | Where-Object IsSuperseded).Count -ge $count)"
