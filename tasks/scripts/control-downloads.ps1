# Pauses all content downloads of the server while one runs, or lets the paused ones go on.
#
# Reads   {"kind":"settings","action":"pause"|"resume"}
# Writes  {"kind":"downloads","waiting_bytes","changed"}, then {"kind":"end"}.
#         waiting_bytes is what was still to be downloaded before; changed says whether anything
#         was asked of the server. Where nothing is to be downloaded, pause changes nothing, so that
#         the resume that belongs to it cannot wake up what a person had cancelled before.
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

$reader = New-Object IO.StreamReader($InputFile, [Text.Encoding]::UTF8)
$settings = ConvertFrom-Json -InputObject $reader.ReadLine()
$reader.Close()

$progress = $server.GetContentDownloadProgress()
$waiting = [long]$progress.TotalBytesToDownload - [long]$progress.DownloadedBytes
$changed = $false
if ([string]$settings.action -eq 'pause') {
    if ($waiting -gt 0) { $server.CancelAllDownloads(); $changed = $true }
} elseif ([string]$settings.action -eq 'resume') {
    $server.ResumeAllDownloads()
    $changed = $true
} else {
    throw ('no action of this name: ' + [string]$settings.action)
}

$answer = [ordered]@{ kind = 'downloads'; waiting_bytes = $waiting; changed = $changed }
$lines = (ConvertTo-Json -InputObject $answer -Compress) + "`n{`"kind`":`"end`"}`n"
[IO.File]::WriteAllText($OutputFile, $lines, (New-Object Text.UTF8Encoding $false))
exit 0
