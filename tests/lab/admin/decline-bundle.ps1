$bundle = $free | Where-Object { $_.GetRelatedUpdates('UpdatesBundledByThisUpdate').Count } | Select-Object -First 1
$child = $bundle.GetRelatedUpdates('UpdatesBundledByThisUpdate')[0]
[void]$bundle.Approve('Install', $groups[0])
$bundle.Decline(); $bundle.Refresh(); $child.Refresh()
"$($bundle.IsDeclined) $($child.IsDeclined) $($bundle.GetUpdateApprovals().Count) $($bundle.State)"
[void]$bundle.Approve('NotApproved', $groups[0]); $bundle.Refresh(); $child.Refresh()
"$($bundle.IsDeclined) $($child.IsDeclined) $($bundle.IsApproved)"
$child.GetRelatedUpdates('UpdatesThatBundleThisUpdate')[0].Id.Equals($bundle.Id)
Refused { $child.Approve('Install', $groups[0]) }
