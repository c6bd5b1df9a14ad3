$one = $free[0]
[void]$one.Approve('Install', $groups[0])
$one.GetUpdateApprovals().Count; $free[1].GetUpdateApprovals().Count
foreach ($approval in $one.GetUpdateApprovals()) { 'one' }
foreach ($approval in $free[1].GetUpdateApprovals()) { 'none' }
$one.GetUpdateApprovals()[0].Action
@($wsus.GetUpdates() | Where-Object { $_.Id.UpdateId -eq $one.Id.UpdateId }).Count
$set = New-Object Microsoft.UpdateServices.Administration.UpdateCollection
$set.AddRange($wsus.GetUpdates()); $set.Count; $set.Contains($one); $set.IndexOf($one) -ge 0
$set.Remove($one); $set.Contains($one)
