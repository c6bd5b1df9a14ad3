# Reads files where they lie and says their size and SHA-1. Changes nothing.
#
# Reads   {"kind":"settings"}, then {"path"}*
# Writes  {"kind":"file","path","size_bytes","sha1"}* (40 upper-case digits) or
#         {"kind":"file","path","error"}*, in the same order, flushed, then {"kind":"end"}.
#         A link is an error, never followed. A deduplicated file is a file.
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
    $script:writer.WriteLine((ConvertTo-Json -InputObject $Value -Compress))
}

function Assert-NoLink([string]$Path) {
    if (-not ([IO.File]::GetAttributes($Path) -band [IO.FileAttributes]::ReparsePoint)) { return }
    $type = (Get-Item -LiteralPath $Path -Force).LinkType
    if ($type -eq 'SymbolicLink' -or $type -eq 'Junction') { throw "a link, not a file: $Path" }
}

function Get-Digest([string]$Path) {
    Assert-NoLink $Path
    $options = [IO.FileOptions]::SequentialScan
    $stream = New-Object IO.FileStream($Path, [IO.FileMode]::Open, [IO.FileAccess]::Read, [IO.FileShare]::Read, 1048576, $options)
    try {
        $hash = [BitConverter]::ToString($script:sha1.ComputeHash($stream)).Replace('-', '')
        return [ordered]@{ kind = 'file'; path = $Path; size_bytes = [long]$stream.Length; sha1 = $hash }
    } finally { $stream.Close() }
}

$reader = New-Object IO.StreamReader($InputFile, [Text.Encoding]::UTF8)
$writer = New-Object IO.StreamWriter($OutputFile, $false, (New-Object Text.UTF8Encoding $false))
$writer.NewLine = "`n"
$writer.AutoFlush = $true
$sha1 = [Security.Cryptography.SHA1]::Create()
[void]$reader.ReadLine()

while ($null -ne ($line = $reader.ReadLine())) {
    if ($line -eq '') { continue }
    $path = [string](ConvertFrom-Json -InputObject $line).path
    try { $answer = Get-Digest $path }
    catch {
        $cause = $_.Exception
        while ($null -ne $cause.InnerException) { $cause = $cause.InnerException }
        $answer = [ordered]@{ kind = 'file'; path = $path; error = [string]$cause.Message }
    }
    Write-Line $answer
}
$reader.Close()
Write-Line ([ordered]@{ kind = 'end' })
$writer.Close()
exit 0
