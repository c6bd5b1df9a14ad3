# Says what a WSUS server is, how it is set and how it stands. Changes nothing.
#
# Reads   {"kind":"settings","since":"2031-05-01T03:00:00Z"|null,"topics":["log", ...],
#          "content_work_dir":our folder for content|null}
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
    return $best
}

function Get-Room([string]$Path) {
    $volume = Get-Volume $Path
    if ($null -eq $volume) { return $null }
    return @{ free_bytes = [long]$volume.FreeSpace; file_system = [string]$volume.FileSystem }
}

function Get-VolumeName([string]$Path) {
    if ([string]::IsNullOrEmpty($Path)) { return $null }
    $volume = Get-Volume $Path
    if ($null -eq $volume) { return $null }
    return [string]$volume.Name
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
        content_volume = Get-Room ([string]$script:config.LocalContentCachePath)
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
    $content = $null
    if ($null -ne $script:config) { $content = Get-VolumeName ([string]$script:config.LocalContentCachePath) }
    Write-Line ([ordered]@{
        kind = 'machine'
        clock = Format-Time (Get-Date).ToUniversalTime()
        windows_version = Get-WindowsVersion
        is_administrator = Get-Administrator
        language_mode = $ExecutionContext.SessionState.LanguageMode.ToString()
        execution_policy = Get-PolicyByGroup
        service_status = Get-ServiceStatus
        work_volume = Get-VolumeName ([string]$settings.content_work_dir)
        content_volume = $content
        time_source = Get-RegistryValue 'HKLM:\SYSTEM\CurrentControlSet\Services\W32Time\Parameters' 'Type'
    })
}

# A value of the registry: 'not set' if the value or its key is not there, null if it cannot be read.
function Get-RegistryValue([string]$Path, [string]$Name) {
    try {
        if (-not (Test-Path -LiteralPath $Path)) { return 'not set' }
        $property = (Get-ItemProperty -LiteralPath $Path -ErrorAction Stop).PSObject.Properties[$Name]
        if ($null -eq $property) { return 'not set' }
        return $property.Value
    } catch { return $null }
}

function Write-Tls {
    $policy = 'HKLM:\SOFTWARE\Policies\Microsoft\Cryptography\Configuration\SSL\00010002'
    $framework = 'HKLM:\SOFTWARE\Microsoft\.NETFramework\v4.0.30319'
    $framework32 = 'HKLM:\SOFTWARE\WOW6432Node\Microsoft\.NETFramework\v4.0.30319'
    Write-Line ([ordered]@{
        kind = 'tls'
        cipher_suite_policy = Get-RegistryValue $policy 'Functions'
        strong_crypto = Get-RegistryValue $framework 'SchUseStrongCrypto'
        strong_crypto_32 = Get-RegistryValue $framework32 'SchUseStrongCrypto'
        system_default_tls_versions = Get-RegistryValue $framework 'SystemDefaultTlsVersions'
        system_default_tls_versions_32 = Get-RegistryValue $framework32 'SystemDefaultTlsVersions'
    })
}

# Context only: WSUS has a proxy of its own.
function Write-WinHttp {
    $text = [string]::Join("`n", @(& netsh.exe winhttp show proxy))
    if ($text.Length -gt 8192) { $text = $text.Substring(0, 8192) }
    Write-Line ([ordered]@{ kind = 'winhttp'; text = $text.Trim() })
}

# A setting of IIS at the level of a location, '' being the server itself; null if it cannot be read.
function Get-WebValue([string]$Location, [string]$Filter, [string]$Name) {
    try {
        $value = Get-WebConfigurationProperty -PSPath 'MACHINE/WEBROOT/APPHOST' -Location $Location -Filter $Filter -Name $Name -ErrorAction Stop
        if ($null -eq $value) { return $null }
        if ($null -ne $value.PSObject.Properties['Value']) { return $value.Value }
        return $value
    } catch { return $null }
}

$wsusSetup = 'HKLM:\SOFTWARE\Microsoft\Update Services\Server\Setup'

# The name of the site that WSUS was set up on; null if IIS does not tell.
function Get-SiteName {
    try {
        $id = Get-RegistryValue $wsusSetup 'IISTargetWebSiteIndex'
        foreach ($site in Get-Website) { if ([string]$site.Id -eq [string]$id) { return [string]$site.Name } }
    } catch { return $null }
    return $null
}

function Get-BoundThumbprint([string]$Site) {
    if ([string]::IsNullOrEmpty($Site)) { return $null }
    try {
        foreach ($binding in @(Get-WebBinding -Name $Site -Protocol 'https')) {
            if ($null -ne $binding -and [string]$binding.certificateHash -ne '') { return [string]$binding.certificateHash }
        }
        return 'none'
    } catch { return $null }
}

function Get-NamesOf($Certificate) {
    $names = New-Object Collections.Generic.List[string]
    foreach ($entry in $Certificate.DnsNameList) { $names.Add([string]$entry.Unicode) }
    return , $names.ToArray()
}

function Write-Certificates {
    $stored = New-Object Collections.Generic.List[object]
    foreach ($store in 'My', 'CA', 'Root') {
        foreach ($certificate in @(Get-ChildItem -LiteralPath "Cert:\LocalMachine\$store")) {
            $stored.Add([ordered]@{
                store = $store
                thumbprint = [string]$certificate.Thumbprint
                subject = [string]$certificate.Subject
                issuer = [string]$certificate.Issuer
                not_before = Format-Time $certificate.NotBefore
                not_after = Format-Time $certificate.NotAfter
                has_private_key = [bool]$certificate.HasPrivateKey
                names = Get-NamesOf $certificate
            })
        }
    }
    Write-Line ([ordered]@{
        kind = 'certificates'
        stored = $stored.ToArray()
        uses_ssl = ([string](Get-RegistryValue $wsusSetup 'UsingSSL') -eq '1')
        configured_name = [string](Get-RegistryValue $wsusSetup 'ServerCertificateName')
        bound = Get-BoundThumbprint (Get-SiteName)
    })
}

# Probes; where Windows has no such command, the answer is null.
function Test-Name([string]$Name) {
    if ($null -eq (Get-Command -Name 'Resolve-DnsName' -ErrorAction SilentlyContinue)) { return $null }
    try { return @(Resolve-DnsName -Name $Name -ErrorAction Stop).Count -gt 0 } catch { return $false }
}

function Test-Port([string]$Name, [int]$Port) {
    if ($null -eq (Get-Command -Name 'Test-NetConnection' -ErrorAction SilentlyContinue)) { return $null }
    try { return [bool](Test-NetConnection -ComputerName $Name -Port $Port -WarningAction SilentlyContinue).TcpTestSucceeded } catch { return $null }
}

function Write-Network {
    $asked = New-Object Collections.Generic.List[object]
    if ($script:config.SyncFromMicrosoftUpdate) {
        $endpoint = [Uri][string]$script:config.MUUrl
        $asked.Add(@([string]$endpoint.Host, 443, $false))
        $asked.Add(@('download.windowsupdate.com', 80, $false))
    }
    if ($script:config.UseProxy -and [string]$script:config.ProxyName -ne '') {
        $asked.Add(@([string]$script:config.ProxyName, [int]$script:config.ProxyServerPort, $true))
    }
    if ($script:config.UseSeparateProxyForSsl -and [string]$script:config.SslProxyName -ne '') {
        $asked.Add(@([string]$script:config.SslProxyName, [int]$script:config.SslProxyServerPort, $true))
    }
    $probes = New-Object Collections.Generic.List[object]
    foreach ($row in $asked) {
        $resolves = Test-Name $row[0]
        $opens = $null
        if ($resolves -ne $false) { $opens = Test-Port $row[0] $row[1] }
        $probes.Add([ordered]@{ name = $row[0]; port = $row[1]; is_proxy = $row[2]; resolves = $resolves; opens = $opens })
    }
    Write-Line ([ordered]@{ kind = 'network'; probes = $probes.ToArray() })
}

# A status of HTTP, or the name of the failure; null if neither is told.
function Get-WebStatus([string]$Address) {
    try {
        $answer = Invoke-WebRequest -Uri $Address -UseBasicParsing -UseDefaultCredentials -TimeoutSec 15 -ErrorAction Stop
        return [string][int]$answer.StatusCode
    } catch {
        $response = $_.Exception.PSObject.Properties['Response']
        if ($null -ne $response -and $null -ne $response.Value) { return [string][int]$response.Value.StatusCode }
        $status = $_.Exception.PSObject.Properties['Status']
        if ($null -ne $status) { return [string]$status.Value }
        return $null
    }
}

# The certificate that a server shows. Whether it is trusted is asked elsewhere, so any is taken here,
# and nothing is sent.
function Get-RemoteCertificate([string]$Name, [int]$Port) {
    try {
        $client = New-Object Net.Sockets.TcpClient
        try {
            if (-not $client.ConnectAsync($Name, $Port).Wait(15000)) { return $null }
            $stream = New-Object Net.Security.SslStream($client.GetStream(), $false, ([Net.Security.RemoteCertificateValidationCallback] { $true }))
            $stream.AuthenticateAsClient($Name, $null, [Security.Authentication.SslProtocols]'Tls12', $false)
            $shown = New-Object Security.Cryptography.X509Certificates.X509Certificate2($stream.RemoteCertificate)
            return [ordered]@{
                subject = [string]$shown.Subject
                issuer = [string]$shown.Issuer
                not_before = Format-Time $shown.NotBefore
                not_after = Format-Time $shown.NotAfter
                names = Get-NamesOf $shown
            }
        } finally { $client.Close() }
    } catch { return $null }
}

function Write-Upstream {
    $name = [string]$script:config.UpstreamWsusServerName
    $port = [int]$script:config.UpstreamWsusServerPortNumber
    $ssl = [bool]$script:config.UpstreamWsusServerUseSsl
    $line = [ordered]@{ kind = 'upstream'; opens = $null; service = $null; self_update = $null; certificate = $null }
    if (-not $script:config.SyncFromMicrosoftUpdate -and $name -ne '') {
        $line.opens = Test-Port $name $port
        $scheme = 'http'
        $plain = $port
        if ($ssl) {
            $scheme = 'https'
            $plain = @{ 8531 = 8530; 443 = 80 }[$port]
            $line.certificate = Get-RemoteCertificate $name $port
        }
        $line.service = Get-WebStatus "${scheme}://${name}:${port}/ClientWebService/client.asmx"
        if ($null -ne $plain) { $line.self_update = Get-WebStatus "http://${name}:${plain}/selfupdate/iuident.cab" }
    }
    Write-Line $line
}

function Get-FolderRights {
    try {
        $rights = New-Object Collections.Generic.List[object]
        $aces = (Get-Acl -LiteralPath ([string]$script:config.LocalContentCachePath)).GetAccessRules($true, $true, [Security.Principal.SecurityIdentifier])
        foreach ($ace in $aces) {
            $rights.Add([ordered]@{ sid = [string]$ace.IdentityReference; rights = [int]$ace.FileSystemRights; is_allowed = ([string]$ace.AccessControlType -eq 'Allow') })
        }
        return , $rights.ToArray()
    } catch { return $null }
}

function Get-MimeTypes {
    $collection = Get-WebValue '' 'system.webServer/staticContent' 'Collection'
    if ($null -eq $collection) { return $null }
    $extensions = New-Object Collections.Generic.List[string]
    foreach ($entry in $collection) { $extensions.Add([string]$entry.fileExtension) }
    return , $extensions.ToArray()
}

# The newest recyclings of WsusPool for its memory; null if the System log cannot be read.
function Get-PoolRecyclings {
    $recyclings = New-Object Collections.Generic.List[object]
    $filter = @{ LogName = 'System'; ProviderName = 'Microsoft-Windows-WAS'; Id = 5077, 5117 }
    try {
        foreach ($record in @(Get-WinEvent -FilterHashtable $filter -MaxEvents 200 -ErrorAction Stop)) {
            if ([string]$record.Message -notlike '*WsusPool*' -or $recyclings.Count -ge 10) { continue }
            $recyclings.Add([ordered]@{ event_id = [int]$record.Id; time = Format-Time $record.TimeCreated })
        }
    } catch { if ([string]$_.FullyQualifiedErrorId -notlike 'NoMatchingEventsFound*') { return $null } }
    return , $recyclings.ToArray()
}

function Write-Iis {
    $site = Get-SiteName
    $flags = [ordered]@{}
    $path = $null
    $anonymous = $null
    $pool = $null
    if ($null -ne $site) {
        foreach ($directory in 'Content', 'SelfUpdate', 'ClientWebService', 'ServerSyncWebService', 'SimpleAuthWebService') {
            $value = Get-WebValue "$site/$directory" 'system.webServer/security/access' 'sslFlags'
            if ($null -ne $value) { $flags[$directory] = [string]$value }
        }
        $anonymous = Get-WebValue "$site/Content" 'system.webServer/security/authentication/anonymousAuthentication' 'enabled'
        try {
            foreach ($entry in Get-WebVirtualDirectory -Site $site -Name 'Content') { $path = [string]$entry.PhysicalPath }
        } catch { $path = $null }
    }
    try { $pool = [string](Get-WebAppPoolState -Name 'WsusPool').Value } catch { $pool = $null }
    Write-Line ([ordered]@{
        kind = 'iis'
        content_path = $path
        ssl_flags = $flags
        anonymous = $anonymous
        mime_types = Get-MimeTypes
        pool_state = $pool
        pool_private_memory_kb = Get-WebValue '' "system.applicationHost/applicationPools/add[@name='WsusPool']/recycling/periodicRestart" 'privateMemory'
        pool_recyclings = Get-PoolRecyclings
        content_rights = Get-FolderRights
    })
}

# The log and those that were rolled over, newest first, in the folder that WSUS names or set-up made.
function Find-Logs {
    $folders = New-Object Collections.Generic.List[string]
    if ($null -ne $script:config) { $folders.Add([string]$script:config.LogFilePath) }
    $folders.Add([IO.Path]::Combine([string]$env:ProgramFiles, 'Update Services', 'LogFiles'))
    foreach ($folder in $folders) {
        if ([string]::IsNullOrEmpty($folder) -or -not [IO.Directory]::Exists($folder)) { continue }
        $logs = @(Get-ChildItem -LiteralPath $folder -Filter 'SoftwareDistribution*' | Where-Object {
            $_.Name -match '^SoftwareDistribution.*\.(log|old|bak)(\.\w+)?$' } | Sort-Object -Property LastWriteTimeUtc -Descending)
        if ($logs.Count -gt 0) { return $logs }
    }
    throw "SoftwareDistribution.log lies in none of: $($folders -join ', ')"
}

# What is looked for: entries of the levels Error and Warning, and words that mean something in any
# entry. The text of a match, without ids and long numbers, tells entries of one kind from others.
$logWords = '[ \t](?:Error|Warning)[ \t]+\S+[ \t]+\S+[ \t]+[^\r\n]{0,96}' +
    '|SCHANNEL[^\r\n]{0,80}|Exception[^\r\n]{0,60}|[Ff]ailed[^\r\n]{0,60}|deleted|does not exist|Process Start Time' +
    '|EventId=(?!(?:36[136]|38[1249]|1[0-3]\d\d0),)\d{3,5},[^\r\n]{0,60}'
$logBlock = 16384
$logLimit = 2147483648
$logEntry = 4096
$logRoom = 786432
$logKinds = 4000
$logNoise = 500

# Reads one log from its end and keeps what it says, until a start of the service or a limit.
function Read-LogFile([string]$Path) {
    $share = [IO.FileShare]'ReadWrite, Delete'
    $stream = New-Object IO.FileStream($Path, [IO.FileMode]'Open', [IO.FileAccess]'Read', $share, 1)
    try {
        $encoding = Get-LogEncoding $stream
        $buffer = New-Object byte[] 1048576
        $carry = ''
        $end = $stream.Length
        while ($end -gt 0 -and -not $script:logDone) {
            $count = [int][Math]::Min($end, 1048576)
            $end -= $count
            [void]$stream.Seek($end, [IO.SeekOrigin]'Begin')
            $got = 0
            while ($got -lt $count) {
                $read = $stream.Read($buffer, $got, $count - $got)
                if ($read -le 0) { break }
                $got += $read
            }
            for ($to = $got; $to -gt 0 -and -not $script:logDone; $to -= $logBlock) {
                $from = [Math]::Max(0, $to - $logBlock)
                $text = $encoding.GetString($buffer, $from, $to - $from) + $carry
                $script:logRead += $to - $from
                $head = 0
                if ($end + $from -gt 0) {
                    # The rest of an entry that began earlier is read together with its beginning.
                    $first = $logHead.Match($text)
                    if ($first.Success) { $head = $first.Index } else { $head = $text.Length }
                }
                $carry = $text.Substring(0, [Math]::Min($head, $logBlock))
                Add-LogBlock $text $head
                if ($script:logRead -ge $logLimit) { $script:logDone = $true }
            }
            # What was decoded is garbage now; .NET alone would let it grow to many times this buffer.
            [GC]::Collect(0)
        }
    } finally { $stream.Close() }
}

# Latin-1 gives one character for each byte: which of the narrow encodings it is, is found later.
function Get-LogEncoding([IO.FileStream]$Stream) {
    $start = New-Object byte[] 4096
    $count = $Stream.Read($start, 0, 4096)
    $zeros = 0
    for ($i = 1; $i -lt $count; $i += 2) { if ($start[$i] -eq 0) { $zeros++ } }
    if (4 * $zeros -ge $count -and $count -gt 1) {
        $script:logForm = 'utf-16'
        return [Text.Encoding]::Unicode
    }
    return [Text.Encoding]::GetEncoding(28591)
}

# Keeps the newest entry of each kind of a block; blocks come newest first.
function Add-LogBlock([string]$Text, [int]$Head) {
    $match = $logTelling.Match($Text, $Head)
    if (-not $match.Success) { return }
    $matches_ = New-Object Collections.Generic.List[object]
    while ($match.Success) { $matches_.Add($match); $match = $match.NextMatch() }
    $entries = New-Object Collections.Generic.List[string]
    $taken = -1
    for ($i = $matches_.Count - 1; $i -ge 0; $i--) {
        $match = $matches_[$i]
        if ($match.Value.StartsWith('EventId=501,', [StringComparison]::Ordinal)) { $script:logDone = $true }
        $kind = $match.Value -replace '[0-9a-fA-F-]{12,}|\d{6,}', ''
        if ($script:logSeen.ContainsKey($kind)) {
            $script:logSeen[$kind]++
            if ($script:logSeen[$kind] -eq $logNoise) { Hide-LogKind $match.Value }
            continue
        }
        if ($script:logSeen.Count -ge $logKinds) { continue }
        $script:logSeen[$kind] = 1
        $start = Find-EntryStart $Text $match.Index $Head
        if ($start -eq $taken) { continue }
        $taken = $start
        $next = $logHead.Match($Text, $match.Index + $match.Length)
        $end = $Text.Length
        if ($next.Success) { $end = $next.Index }
        $entry = $Text.Substring($start, [Math]::Min($end - $start, $logEntry)).TrimEnd()
        $size = (ConvertTo-Json -InputObject $entry -Compress).Length
        if ($script:logSize + $size -gt $logRoom) { $script:logFull = $true; $script:logDone = $true; break }
        $script:logSize += $size
        $entries.Add($entry)
    }
    $entries.Reverse()
    if ($entries.Count -gt 0) { $script:logTaken.Push($entries) }
}

# Looks no more for a kind that fills the log: a million of its entries would take minutes.
function Hide-LogKind([string]$Value) {
    if ($script:logHidden.Count -ge 100) { return }
    $script:logHidden.Add(([regex]::Escape($Value) -replace '[0-9a-fA-F-]{12,}|\d+', '[0-9a-fA-F-]+'))
    $words = '(?!' + ($script:logHidden -join '|') + ')(?:' + $logWords + ')'
    $script:logTelling = New-Object Text.RegularExpressions.Regex($words, $logOptions)
}

function Find-EntryStart([string]$Text, [int]$Index, [int]$Head) {
    $start = $Index
    while ($start -gt $Head) {
        $start = $Text.LastIndexOf([char]10, $start - 1) + 1
        if ($start -le $Head -or $logHead.Match($Text, $start, [Math]::Min(24, $Text.Length - $start)).Success) { break }
    }
    return [Math]::Max($start, $Head)
}

function Write-Log {
    $logs = @(Find-Logs)
    foreach ($log in $logs) {
        Read-LogFile $log.FullName
        if ($script:logDone) { break }
    }
    Write-Line ([ordered]@{
        kind = 'log'
        path = $logs[0].FullName
        size_bytes = [long]$logs[0].Length
        read_bytes = $script:logRead
        encoding = $script:logForm
        is_full = $script:logFull
    })
    $piece = New-Object Text.StringBuilder
    foreach ($entries in $script:logTaken) {
        foreach ($entry in $entries) {
            [void]$piece.Append($entry).Append("`n")
            if ($piece.Length -ge 32768) {
                Write-Line ([ordered]@{ kind = 'log'; text = $piece.ToString() })
                $piece.Length = 0
            }
        }
    }
    if ($piece.Length -gt 0) { Write-Line ([ordered]@{ kind = 'log'; text = $piece.ToString() }) }
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
$logHead = New-Object Text.RegularExpressions.Regex('^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d', [Text.RegularExpressions.RegexOptions]'Multiline, CultureInvariant')
$logOptions = [Text.RegularExpressions.RegexOptions]'Compiled, CultureInvariant'
$logTelling = New-Object Text.RegularExpressions.Regex($logWords, $logOptions)
$logRead = [long]0
$logSize = 0
$logDone = $false
$logFull = $false
$logForm = 'latin-1'
$logSeen = New-Object 'Collections.Generic.Dictionary[string,int]'
$logHidden = New-Object Collections.Generic.List[string]
$logTaken = New-Object Collections.Generic.Stack[object]

$parts = [ordered]@{
    configuration = { Write-Configuration }
    synchronisation = { Write-Synchronisation }
    machine = { Write-Machine }
    tls = { Write-Tls }
    winhttp = { Write-WinHttp }
    certificates = { Write-Certificates }
    network = { Write-Network }
    upstream = { Write-Upstream }
    iis = { Write-Iis }
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
