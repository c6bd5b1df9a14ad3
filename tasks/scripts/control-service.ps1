# Says how the Update Services service stands and which wsusutil works, or starts the service.
#
# Reads   {"kind":"settings","action":"status"|"start","wait_seconds":60}
# Writes  {"kind":"service","service":"WsusService","status","pool","error","wsusutil"}, then
#         {"kind":"end"}.
#         status is what Windows says at the end (Running, Stopped, StartPending...), so a service
#         that stays down is an answer; error says why starting failed. pool is the state of the
#         application pool WsusPool, null where IIS has no such command; start starts it as well.
#         wsusutil lists every WsusUtil.exe that runs, whoever started it: {"process_id",
#         "command_line","since"}, since in UTC. An import stops the service on purpose and starts
#         it again at its end: while one runs, start starts nothing.
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)][string]$InputFile,
    [Parameter(Mandatory = $true)][string]$OutputFile
)
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
trap { [Console]::Error.WriteLine([string]$_ + $_.InvocationInfo.PositionMessage); exit 1 }

$Service = 'WsusService'
$Pool = 'WsusPool'

function Get-Status { return (Get-Service -Name $Service -ErrorAction Stop).Status.ToString() }

function Get-PoolState {
    if ($null -eq (Get-Command -Name 'Get-WebAppPoolState' -ErrorAction SilentlyContinue)) { return $null }
    try { return [string](Get-WebAppPoolState -Name $Pool).Value } catch { return $null }
}

function Find-Wsusutil {
    $script:wsusutil.Clear()
    foreach ($process in Get-CimInstance -ClassName Win32_Process -Filter "Name = 'WsusUtil.exe'") {
        $since = $null
        if ($null -ne $process.CreationDate) {
            $since = $process.CreationDate.ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ssZ', [Globalization.CultureInfo]::InvariantCulture)
        }
        $script:wsusutil.Add([ordered]@{
            process_id = [int]$process.ProcessId
            command_line = [string]$process.CommandLine
            since = $since
        })
    }
}

function Start-Everything {
    try { if ((Get-Status) -ne 'Running') { Start-Service -Name $Service -ErrorAction Stop } }
    catch { $script:problem = [string]$_ }
    try { if ((Get-PoolState) -eq 'Stopped') { Start-WebAppPool -Name $Pool } }
    catch { $script:problem = [string]$_ }
}

$reader = New-Object IO.StreamReader($InputFile, [Text.Encoding]::UTF8)
$settings = ConvertFrom-Json -InputObject $reader.ReadLine()
$reader.Close()

$problem = $null
$wsusutil = New-Object Collections.Generic.List[object]
Find-Wsusutil
if ([string]$settings.action -eq 'start' -and $wsusutil.Count -gt 0) {
    $problem = 'wsusutil is at work'
} elseif ([string]$settings.action -eq 'start') {
    Start-Everything
    $limit = [DateTime]::UtcNow.AddSeconds([double]$settings.wait_seconds)
    while ((Get-Status) -ne 'Running' -and [DateTime]::UtcNow -lt $limit) { Start-Sleep -Milliseconds 200 }
} elseif ([string]$settings.action -ne 'status') {
    throw ('no action of this name: ' + [string]$settings.action)
}

$answer = [ordered]@{ kind = 'service'; service = $Service; status = Get-Status; pool = Get-PoolState; error = $problem; wsusutil = $wsusutil.ToArray() }
$lines = (ConvertTo-Json -InputObject $answer -Compress -Depth 4) + "`n{`"kind`":`"end`"}`n"
[IO.File]::WriteAllText($OutputFile, $lines, (New-Object Text.UTF8Encoding $false))
exit 0
