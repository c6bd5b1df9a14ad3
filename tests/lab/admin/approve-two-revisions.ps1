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
"$($new.GetChangesFromPreviousRevision() -band 'FileBinaries, DescriptiveProperties') $(@($new.GetRelatedUpdates('AllRevisionsOfThisUpdate') | Sort-Object { $_.Id.RevisionNumber })[0].GetChangesFromPreviousRevision())"
$file = Join-Path $env:TEMP "$([Guid]::NewGuid()).xml"
foreach ($id in $new.Id, $old.Id) {
    $wsus.ExportPackageMetadata($id, $file)
    $identity = ([xml](Get-Content $file -Encoding UTF8)).Update.UpdateIdentity
    $identity.UpdateID -eq $id.UpdateId -and $identity.RevisionNumber -eq $id.RevisionNumber
}
Remove-Item $file; Refused { $new.ExportPackageMetadata('/no/such/folder/x.xml') }
