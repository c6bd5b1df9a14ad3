# Starts a synchronisation unless one is at work. Does not wait for its end.
#
# Reads   {"kind":"settings"}
# Writes  {"kind":"synchronisation","started":true|false}, then {"kind":"end"}.
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)][string]$InputFile,
    [Parameter(Mandatory = $true)][string]$OutputFile
)
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
trap { [Console]::Error.WriteLine([string]$_ + $_.InvocationInfo.PositionMessage); exit 1 }

[void][Reflection.Assembly]::LoadWithPartialName('Microsoft.UpdateServices.Administration')
$server = [Microsoft.UpdateServices.Administration.AdminProxy]::GetUpdateServer()
$subscription = $server.GetSubscription()
$started = $false
if ($subscription.GetSynchronizationStatus().ToString() -eq 'NotProcessing') {
    $subscription.StartSynchronization()
    $started = $true
}
$lines = (ConvertTo-Json -InputObject ([ordered]@{ kind = 'synchronisation'; started = $started }) -Compress) + "`n{`"kind`":`"end`"}`n"
[IO.File]::WriteAllText($OutputFile, $lines, (New-Object Text.UTF8Encoding $false))
exit 0
