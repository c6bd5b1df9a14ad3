# Says how much room the volume of a folder has. Changes nothing.
#
# Reads   {"kind":"settings","path":"D:\\WSUS\\WsusContent"}
# Writes  {"kind":"volume","free_bytes","file_system"}, then {"kind":"end"}.
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)][string]$InputFile,
    [Parameter(Mandatory = $true)][string]$OutputFile
)
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
trap { [Console]::Error.WriteLine([string]$_ + $_.InvocationInfo.PositionMessage); exit 1 }

$reader = New-Object IO.StreamReader($InputFile, [Text.Encoding]::UTF8)
$settings = ConvertFrom-Json -InputObject $reader.ReadLine()
$reader.Close()
$path = [string]$settings.path

# Mounted folders are volumes too: the longest volume name that begins the path is the one.
$best = $null
foreach ($volume in Get-CimInstance -ClassName Win32_Volume) {
    $name = [string]$volume.Name
    if ($name -eq '' -or -not ($path + '\').StartsWith($name, [StringComparison]::OrdinalIgnoreCase)) { continue }
    if ($null -eq $best -or $name.Length -gt ([string]$best.Name).Length) { $best = $volume }
}
if ($null -eq $best) { throw "no volume holds $path" }

$answer = [ordered]@{ kind = 'volume'; free_bytes = [long]$best.FreeSpace; file_system = [string]$best.FileSystem }
$lines = (ConvertTo-Json -InputObject $answer -Compress) + "`n{`"kind`":`"end`"}`n"
[IO.File]::WriteAllText($OutputFile, $lines, (New-Object Text.UTF8Encoding $false))
exit 0
