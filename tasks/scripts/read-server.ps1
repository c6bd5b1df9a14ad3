# Says what a WSUS server is, how it is set and how it stands. Changes nothing.
#
# Reads   {"kind":"settings","since":"2031-05-01T03:00:00Z"|null}
# Writes  one {"kind":"server", ...} (see the end of this file), then {"kind":"end"}.
#         arrived_since counts the updates that came at or after `since`; null when since is null.
#         What cannot be known here (a volume, a service) is null, never a guess.
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)][string]$InputFile,
    [Parameter(Mandatory = $true)][string]$OutputFile
)
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
trap { [Console]::Error.WriteLine([string]$_ + $_.InvocationInfo.PositionMessage); exit 1 }

function Write-Line($Value) {
    $script:writer.WriteLine((ConvertTo-Json -InputObject $Value -Compress -Depth 4))
}

# The API's times are UTC, but some carry no kind: ToUniversalTime would shift those by the zone.
function Format-Time([DateTime]$Time) {
    if ($Time.Year -ge 9999 -or $Time.Year -le 1) { return $null }
    if ($Time.Kind -eq [DateTimeKind]::Local) { $Time = $Time.ToUniversalTime() }
    return $Time.ToString('yyyy-MM-ddTHH:mm:ssZ', [Globalization.CultureInfo]::InvariantCulture)
}

function Get-CountInScope([string]$States) {
    $scope = New-Object Microsoft.UpdateServices.Administration.UpdateScope
    $scope.ApprovedStates = [Microsoft.UpdateServices.Administration.ApprovedStates]$States
    return $script:server.GetUpdateCount($scope)
}

function Get-CountSince([string]$Since) {
    $styles = [Globalization.DateTimeStyles]'AssumeUniversal, AdjustToUniversal'
    $scope = New-Object Microsoft.UpdateServices.Administration.UpdateScope
    $scope.FromArrivalDate = [DateTime]::Parse($Since, [Globalization.CultureInfo]::InvariantCulture, $styles)
    return $script:server.GetUpdateCount($scope)
}

# Mounted folders are volumes too: the longest volume name that begins the path is the one.
function Get-Volume([string]$Path) {
    $best = $null
    try {
        foreach ($volume in Get-CimInstance -ClassName Win32_Volume) {
            $name = [string]$volume.Name
            if ($name -eq '' -or -not ($Path + '\').StartsWith($name, [StringComparison]::OrdinalIgnoreCase)) { continue }
            if ($null -eq $best -or $name.Length -gt ([string]$best.Name).Length) { $best = $volume }
        }
    } catch { return $null }
    if ($null -eq $best) { return $null }
    return @{ free_bytes = [long]$best.FreeSpace; file_system = [string]$best.FileSystem }
}

$reader = New-Object IO.StreamReader($InputFile, [Text.Encoding]::UTF8)
$writer = New-Object IO.StreamWriter($OutputFile, $false, (New-Object Text.UTF8Encoding $false))
$writer.NewLine = "`n"
$settings = ConvertFrom-Json -InputObject $reader.ReadLine()
$reader.Close()

[void][Reflection.Assembly]::LoadWithPartialName('Microsoft.UpdateServices.Administration')
$server = [Microsoft.UpdateServices.Administration.AdminProxy]::GetUpdateServer()
$config = $server.GetConfiguration()
$subscription = $server.GetSubscription()
$last = $subscription.GetLastSynchronizationInfo()
$download = $server.GetContentDownloadProgress()

$languages = New-Object Collections.Generic.List[string]
foreach ($code in $config.GetEnabledUpdateLanguages()) { $languages.Add([string]$code) }
$languages.Sort([StringComparer]::Ordinal)
$rules = 0
foreach ($rule in $server.GetInstallApprovalRules()) { if ($rule.Enabled) { $rules++ } }
$service = $null
try { $service = (Get-Service -Name 'WsusService' -ErrorAction Stop).Status.ToString() } catch { $service = $null }
$arrived = $null
if ($null -ne $settings.since) { $arrived = Get-CountSince $settings.since }
$upstream = $null
if (-not $config.SyncFromMicrosoftUpdate) { $upstream = [string]$config.UpstreamWsusServerName }
$lastResult = $null
$lastEnd = $null
if ($null -ne $last) {
    $lastResult = $last.Result.ToString()
    $lastEnd = Format-Time $last.EndTime
}

Write-Line ([ordered]@{
    kind = 'server'
    server_id = $config.ServerId.ToString()
    version = $server.Version.ToString()
    protocol_version = $server.ServerProtocolVersion.ToString()
    is_replica = [bool]$config.IsReplicaServer
    sync_from_microsoft_update = [bool]$config.SyncFromMicrosoftUpdate
    upstream_server = $upstream
    host_binaries_on_microsoft_update = [bool]$config.HostBinariesOnMicrosoftUpdate
    download_express = [bool]$config.DownloadExpressPackages
    download_as_needed = [bool]$config.DownloadUpdateBinariesAsNeeded
    all_languages = [bool]$config.AllUpdateLanguagesEnabled
    languages = $languages.ToArray()
    content_dir = [string]$config.LocalContentCachePath
    content_volume = Get-Volume ([string]$config.LocalContentCachePath)
    update_count = [int]$server.GetUpdateCount()
    declined_count = [int](Get-CountInScope 'Declined')
    approved_count = [int](Get-CountInScope 'LatestRevisionApproved, HasStaleUpdateApprovals')
    arrived_since = $arrived
    synchronization = $subscription.GetSynchronizationStatus().ToString()
    last_sync_result = $lastResult
    last_sync_end = $lastEnd
    service_status = $service
    failed_downloads = [int]$server.GetFailedToDownloadUpdatesCount()
    bytes_to_download = [long]$download.TotalBytesToDownload
    bytes_downloaded = [long]$download.DownloadedBytes
    active_rules = $rules
    auto_approve_infrastructure = [bool]$config.AutoApproveWsusInfrastructureUpdates
    auto_refresh_approvals = [bool]$config.AutoRefreshUpdateApprovals
    auto_decline_expired = [bool]$config.AutoRefreshUpdateApprovalsDeclineExpired
    clock = Format-Time ([DateTime]::UtcNow)
})
Write-Line ([ordered]@{ kind = 'end' })
$writer.Close()
exit 0
