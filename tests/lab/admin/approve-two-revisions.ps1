$new = $free | Where-Object { $_.HasEarlierRevision } | Select-Object -First 1
$old = $new.GetRelatedUpdates('AllRevisionsOfThisUpdate') | Where-Object { -not $_.IsLatestRevision } | Select-Object -First 1
[void]$old.Approve('Install', $groups[0])
$new.Refresh(); "$($new.IsApproved) $($new.HasStaleUpdateApprovals)"
Refused { $new.Approve('Install', $groups[0]) }
Refused { $new.Approve('Uninstall', $all) }
Refused { $new.Approve('Install', $all).Delete() }
Refused { $new.Approve('Install', $groups[1]) }
$new.RefreshUpdateApprovals(); $new.Refresh()
"$($new.IsApproved) $($new.HasStaleUpdateApprovals) $($new.GetUpdateApprovals().Count)"
