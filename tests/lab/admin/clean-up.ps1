$content = $wsus.GetConfiguration().LocalContentCachePath
function Measure-Content { (Get-ChildItem $content -Recurse -File | Measure-Object Length -Sum).Sum }
function Wait-Content {
    $limit = [DateTime]::UtcNow.AddSeconds(30)
    while ($wsus.GetStatus().UpdatesNeedingFilesCount -gt 0 -and [DateTime]::UtcNow -lt $limit) { Start-Sleep -Milliseconds 200 }
}
# Nothing approved replaces them yet.
Invoke-WsusServerCleanup -DeclineSupersededUpdates
$old = $free | Where-Object { $_.IsSuperseded }
foreach ($update in $old) {
    $new = $update.GetRelatedUpdates('UpdatesThatSupersedeThisUpdate')[0]
    if ($new.IsDeclined -or $new.PublicationState -eq 'Expired') { continue }
    [void]$new.Approve('Install', $groups[0]); $superseded++
}
Wait-Content
$before = Measure-Content
$expired = @($wsus.GetUpdates() | Where-Object { $_.PublicationState -eq 'Expired' -and -not $_.IsApproved -and -not $_.IsDeclined }).Count
$said = @(Invoke-WsusServerCleanup -DeclineExpiredUpdates -DeclineSupersededUpdates -CleanupUnneededContentFiles)
$said[0] -eq "Obsolete Updates Declined:$superseded" -and $superseded -gt 0
$said[1] -eq "Expired Updates Declined:$expired" -and $expired -gt 0
$said[2] -eq "Diskspace Freed:$($before - (Measure-Content))"
$wsus.GetContentDownloadProgress().TotalBytesToDownload
$wsus.ResetAndVerifyContentState()
Wait-Content
"$($wsus.GetStatus().UpdatesNeedingFilesCount) $($wsus.GetFailedToDownloadUpdatesCount()) $($wsus.GetStatus().UpdatesWithServerErrorsCount)"
