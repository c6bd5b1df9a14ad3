# Says what a WSUS server is, how it is set and how it stands. Changes nothing.
#
# Reads   {"kind":"settings","since":"2031-05-01T03:00:00Z"|null,"topics":["log", ...]}
# Writes  {"kind":"server", ...} (see Write-Server), for each topic that is asked for its line or
#         lines, then {"kind":"end"}. The topics, and what each reads, stand at the end of this file.
#         With topics, a part that cannot be read is {"kind":"unknown","topic","reason"}; without,
#         the script fails with that reason.
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
    $script:writer.WriteLine((ConvertTo-Json -InputObject $Value -Compress -Depth 5))
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

function Get-ServiceStatus {
    try { return (Get-Service -Name 'WsusService' -ErrorAction Stop).Status.ToString() } catch { return $null }
}

# Every run reads this part; the topics below are for a check.
function Write-Server {
    $last = $script:subscription.GetLastSynchronizationInfo()
    $download = $script:server.GetContentDownloadProgress()
    $languages = New-Object Collections.Generic.List[string]
    foreach ($code in $script:config.GetEnabledUpdateLanguages()) { $languages.Add([string]$code) }
    $languages.Sort([StringComparer]::Ordinal)
    $rules = 0
    foreach ($rule in $script:server.GetInstallApprovalRules()) { if ($rule.Enabled) { $rules++ } }
    $arrived = $null
    if ($null -ne $settings.since) { $arrived = Get-CountSince $settings.since }
    $upstream = $null
    if (-not $script:config.SyncFromMicrosoftUpdate) { $upstream = [string]$script:config.UpstreamWsusServerName }
    $lastResult = $null
    $lastEnd = $null
    if ($null -ne $last) {
        $lastResult = $last.Result.ToString()
        $lastEnd = Format-Time $last.EndTime
    }

    Write-Line ([ordered]@{
        kind = 'server'
        server_id = $script:config.ServerId.ToString()
        version = $script:server.Version.ToString()
        protocol_version = $script:server.ServerProtocolVersion.ToString()
        is_replica = [bool]$script:config.IsReplicaServer
        sync_from_microsoft_update = [bool]$script:config.SyncFromMicrosoftUpdate
        upstream_server = $upstream
        host_binaries_on_microsoft_update = [bool]$script:config.HostBinariesOnMicrosoftUpdate
        download_express = [bool]$script:config.DownloadExpressPackages
        download_as_needed = [bool]$script:config.DownloadUpdateBinariesAsNeeded
        all_languages = [bool]$script:config.AllUpdateLanguagesEnabled
        languages = $languages.ToArray()
        content_dir = [string]$script:config.LocalContentCachePath
        content_volume = Get-Volume ([string]$script:config.LocalContentCachePath)
        update_count = [int]$script:server.GetUpdateCount()
        declined_count = [int](Get-CountInScope 'Declined')
        approved_count = [int](Get-CountInScope 'LatestRevisionApproved, HasStaleUpdateApprovals')
        arrived_since = $arrived
        synchronization = $script:subscription.GetSynchronizationStatus().ToString()
        last_sync_result = $lastResult
        last_sync_end = $lastEnd
        service_status = Get-ServiceStatus
        failed_downloads = [int]$script:server.GetFailedToDownloadUpdatesCount()
        bytes_to_download = [long]$download.TotalBytesToDownload
        bytes_downloaded = [long]$download.DownloadedBytes
        active_rules = $rules
        auto_approve_infrastructure = [bool]$script:config.AutoApproveWsusInfrastructureUpdates
        auto_refresh_approvals = [bool]$script:config.AutoRefreshUpdateApprovals
        auto_decline_expired = [bool]$script:config.AutoRefreshUpdateApprovalsDeclineExpired
        clock = Format-Time ([DateTime]::UtcNow)
    })
}

function Write-Configuration {
    $c = $script:config
    Write-Line ([ordered]@{
        kind = 'configuration'
        sync_from_microsoft_update = [bool]$c.SyncFromMicrosoftUpdate
        is_replica_server = [bool]$c.IsReplicaServer
        mu_url = [string]$c.MUUrl
        redirector_change_number = [int]$c.RedirectorChangeNumber
        upstream_wsus_server_name = [string]$c.UpstreamWsusServerName
        upstream_wsus_server_port_number = [int]$c.UpstreamWsusServerPortNumber
        upstream_wsus_server_use_ssl = [bool]$c.UpstreamWsusServerUseSsl
        use_proxy = [bool]$c.UseProxy
        proxy_name = [string]$c.ProxyName
        proxy_server_port = [int]$c.ProxyServerPort
        anonymous_proxy_access = [bool]$c.AnonymousProxyAccess
        has_proxy_password = [bool]$c.HasProxyPassword
        use_separate_proxy_for_ssl = [bool]$c.UseSeparateProxyForSsl
        ssl_proxy_name = [string]$c.SslProxyName
        ssl_proxy_server_port = [int]$c.SslProxyServerPort
        allow_proxy_credentials_over_non_ssl = [bool]$c.AllowProxyCredentialsOverNonSsl
        host_binaries_on_microsoft_update = [bool]$c.HostBinariesOnMicrosoftUpdate
        get_content_from_mu = [bool]$c.GetContentFromMU
    })
}

function Write-Synchronisation {
    $runs = New-Object Collections.Generic.List[object]
    foreach ($run in $script:subscription.GetSynchronizationHistory()) {
        $ended = Format-Time $run.EndTime
        $runs.Add([ordered]@{
            started = Format-Time $run.StartTime
            ended = $ended
            result = $run.Result.ToString()
            error = $run.Error.ToString()
            error_text = [string]$run.ErrorText
        })
        if ($runs.Count -ge 50) { break }
    }
    Write-Line ([ordered]@{
        kind = 'synchronisation'
        runs = $runs.ToArray()
        scheduled = [bool]$script:subscription.SynchronizeAutomatically
        products = [int]$script:subscription.GetUpdateCategories().Count
        classifications = [int]$script:subscription.GetUpdateClassifications().Count
    })
}

# Administrators and a high (or the system's) mandatory level: the rights are there and in force.
# The SIDs are the same in every language. Null where the program does not answer.
function Get-Administrator {
    try { $groups = [string](& whoami.exe /groups /fo csv /nh) } catch { return $null }
    if ($groups -notmatch 'S-1-') { return $null }
    return ($groups -match 'S-1-5-32-544\b') -and ($groups -match 'S-1-16-(12288|16384)\b')
}

function Get-WindowsVersion {
    try { return [string](Get-CimInstance -ClassName Win32_OperatingSystem).Version } catch { return $null }
}

# The policy that group policy sets for the machine or the user; ours for the process says nothing.
function Get-PolicyByGroup {
    try {
        foreach ($scope in 'MachinePolicy', 'UserPolicy') {
            $policy = (Get-ExecutionPolicy -Scope $scope).ToString()
            if ($policy -ne 'Undefined') { return $policy }
        }
        return 'Undefined'
    } catch { return $null }
}

function Write-Machine {
    Write-Line ([ordered]@{
        kind = 'machine'
        clock = Format-Time ([DateTime]::UtcNow)
        windows_version = Get-WindowsVersion
        is_administrator = Get-Administrator
        language_mode = $ExecutionContext.SessionState.LanguageMode.ToString()
        execution_policy = Get-PolicyByGroup
        service_status = Get-ServiceStatus
    })
}

# The folder of SoftwareDistribution.log: what WSUS says, else the one that its set-up makes.
function Find-Log {
    $folders = New-Object Collections.Generic.List[string]
    if ($null -ne $script:config) { $folders.Add([string]$script:config.LogFilePath) }
    $folders.Add([IO.Path]::Combine([string]$env:ProgramFiles, 'Update Services', 'LogFiles'))
    foreach ($folder in $folders) {
        if ([string]::IsNullOrEmpty($folder)) { continue }
        $path = [IO.Path]::Combine($folder, 'SoftwareDistribution.log')
        if ([IO.File]::Exists($path)) { return $path }
    }
    throw "SoftwareDistribution.log lies in none of: $($folders -join ', ')"
}

# Reads the log from its end. One character stands for one byte, so that the encoding is found later.
function Write-Log {
    $path = Find-Log
    $share = [IO.FileShare]'ReadWrite, Delete'
    $stream = New-Object IO.FileStream($path, [IO.FileMode]'Open', [IO.FileAccess]'Read', $share)
    try {
        $size = $stream.Length
        $count = [int][Math]::Min($size, 524288)
        [void]$stream.Seek(-$count, [IO.SeekOrigin]'End')
        $bytes = New-Object byte[] $count
        $done = 0
        while ($done -lt $count) {
            $read = $stream.Read($bytes, $done, $count - $done)
            if ($read -le 0) { break }
            $done += $read
        }
    } finally { $stream.Close() }
    Write-Line ([ordered]@{ kind = 'log'; path = $path; size_bytes = $size; read_bytes = $done })
    $latin = [Text.Encoding]::GetEncoding(28591)
    for ($start = 0; $start -lt $done; $start += 65536) {
        $length = [Math]::Min(65536, $done - $start)
        Write-Line ([ordered]@{ kind = 'log'; text = $latin.GetString($bytes, $start, $length) })
    }
}

# The newest events of WSUS in the Application log that say that something does not work.
function Write-Events {
    Write-Line ([ordered]@{ kind = 'events' })
    $filter = @{ LogName = 'Application'; ProviderName = 'Windows Server Update Services'; Level = 1, 2, 3 }
    $found = @()
    try { $found = @(Get-WinEvent -FilterHashtable $filter -MaxEvents 200 -ErrorAction Stop) }
    catch { if ([string]$_.FullyQualifiedErrorId -notlike 'NoMatchingEventsFound*') { throw } }
    foreach ($event in $found) {
        $message = [string]$event.Message
        if ($message.Length -gt 2048) { $message = $message.Substring(0, 2048) }
        Write-Line ([ordered]@{
            kind = 'events'
            id = [int]$event.Id
            source = [string]$event.ProviderName
            time = Format-Time $event.TimeCreated
            message = $message
        })
    }
}

$reader = New-Object IO.StreamReader($InputFile, [Text.Encoding]::UTF8)
$writer = New-Object IO.StreamWriter($OutputFile, $false, (New-Object Text.UTF8Encoding $false))
$writer.NewLine = "`n"
$settings = ConvertFrom-Json -InputObject $reader.ReadLine()
$reader.Close()
$server = $null
$config = $null
$subscription = $null

$parts = [ordered]@{
    configuration = { Write-Configuration }
    synchronisation = { Write-Synchronisation }
    machine = { Write-Machine }
    log = { Write-Log }
    events = { Write-Events }
}
$topics = @($settings.topics)
try {
    [void][Reflection.Assembly]::LoadWithPartialName('Microsoft.UpdateServices.Administration')
    $server = [Microsoft.UpdateServices.Administration.AdminProxy]::GetUpdateServer()
    $config = $server.GetConfiguration()
    $subscription = $server.GetSubscription()
    Write-Server
} catch {
    if ($topics.Count -eq 0) { throw }
    Write-Line ([ordered]@{ kind = 'unknown'; topic = 'server'; reason = [string]$_ })
}
foreach ($topic in $parts.Keys) {
    if ($topics -notcontains $topic) { continue }
    try { & $parts[$topic] }
    catch { Write-Line ([ordered]@{ kind = 'unknown'; topic = $topic; reason = [string]$_ }) }
}
Write-Line ([ordered]@{ kind = 'end' })
$writer.Close()
exit 0
