$update = $free | Where-Object { $_.GetInstallableItems()[0].Files.Count } | Select-Object -First 1
$update.Approve('Install', $groups[0]).State; $update.Refresh(); $update.State
$limit = [DateTime]::UtcNow.AddSeconds(20)
while ($update.State -eq 'NotReady' -and [DateTime]::UtcNow -lt $limit) {
    Start-Sleep -Milliseconds 100; $update.Refresh()
}
$update.State; $update.GetUpdateApprovals()[0].State; $wsus.GetContentDownloadProgress().TotalBytesToDownload
