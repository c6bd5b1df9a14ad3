$content = $wsus.GetConfiguration().LocalContentCachePath
function Measure-Content { (Get-ChildItem $content -Recurse -File | Measure-Object Length -Sum).Sum }
$before = Measure-Content
$expired = @($wsus.GetUpdates() | Where-Object { $_.PublicationState -eq 'Expired' -and -not $_.IsApproved -and -not $_.IsDeclined }).Count
$superseded = @($free | Where-Object { $_.IsSuperseded }).Count
$said = @(Invoke-WsusServerCleanup -DeclineExpiredUpdates -DeclineSupersededUpdates -CleanupUnneededContentFiles)
$said[0] -eq "Obsolete Updates Declined:$superseded" -and $superseded -gt 0
$said[1] -eq "Expired Updates Declined:$expired" -and $expired -gt 0
$said[2] -eq "Diskspace Freed:$($before - (Measure-Content))"
$wsus.GetContentDownloadProgress().TotalBytesToDownload
$wsus.ResetAndVerifyContentState()
$limit = [DateTime]::UtcNow.AddSeconds(30)
while ($wsus.GetStatus().UpdatesNeedingFilesCount -gt 0 -and [DateTime]::UtcNow -lt $limit) { Start-Sleep -Milliseconds 200 }
"$($wsus.GetStatus().UpdatesNeedingFilesCount) $($wsus.GetFailedToDownloadUpdatesCount()) $($wsus.GetStatus().UpdatesWithServerErrorsCount)"
