# Lets the server go on with all content downloads: it looks again at the files in its folder.
#
# Reads   {"kind":"settings"}
# Writes  {"kind":"resumed"}, then {"kind":"end"}.
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
$server.ResumeAllDownloads()
$lines = "{`"kind`":`"resumed`"}`n{`"kind`":`"end`"}`n"
[IO.File]::WriteAllText($OutputFile, $lines, (New-Object Text.UTF8Encoding $false))
exit 0
