# Makes files durable and moves them to their final names on the same volume.
#
# Reads   {"kind":"settings","inherit":true|false}, then {"from","to"}*
# Writes  {"kind":"moved","from","to"}* or {"kind":"moved","from","to","error"}*, in the same
#         order, flushed, then {"kind":"end"}.
# A file of the new name is replaced. With inherit the file gets the permissions of its new
# folder: NTFS lets a renamed file keep those of the old one. A file that a scanner holds open is
# tried again, for about six seconds.
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)][string]$InputFile,
    [Parameter(Mandatory = $true)][string]$OutputFile
)
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
trap { [Console]::Error.WriteLine([string]$_ + $_.InvocationInfo.PositionMessage); exit 1 }

$OnWindows = [Environment]::OSVersion.Platform -eq [PlatformID]::Win32NT

function Write-Line($Value) {
    $script:writer.WriteLine((ConvertTo-Json -InputObject $Value -Compress))
}

function Get-Cause($Failure) {
    $cause = $Failure.Exception
    while ($null -ne $cause.InnerException) { $cause = $cause.InnerException }
    return $cause
}

# Sharing and lock violations, and the refusal that a file shows while its deletion is pending.
function Test-Passing($Cause) {
    if ($Cause -is [UnauthorizedAccessException]) { return $true }
    if ($Cause -isnot [IO.IOException]) { return $false }
    $code = $Cause.HResult -band 0xFFFF
    return ($code -eq 32 -or $code -eq 33)
}

function Save-Bytes([string]$Path) {
    $stream = New-Object IO.FileStream($Path, [IO.FileMode]::Open, [IO.FileAccess]::ReadWrite, [IO.FileShare]::Read)
    try { $stream.Flush($true) } finally { $stream.Close() }
}

function Move-Replacing([string]$From, [string]$To) {
    if ([IO.File]::Exists($To)) { [IO.File]::Replace($From, $To, [NullString]::Value, $true) }
    else { [IO.File]::Move($From, $To) }
}

# Takes away what the file brought along; what the folder gives is filled in by Windows.
function Reset-Permissions([string]$Path) {
    $security = [IO.File]::GetAccessControl($Path, [Security.AccessControl.AccessControlSections]::Access)
    foreach ($rule in $security.GetAccessRules($true, $false, [Security.Principal.SecurityIdentifier])) {
        [void]$security.RemoveAccessRuleSpecific($rule)
    }
    $security.SetAccessRuleProtection($false, $false)
    [IO.File]::SetAccessControl($Path, $security)
}

function Invoke-Step([scriptblock]$Step) {
    $pause = 100
    while ($true) {
        try { & $Step; return }
        catch {
            if ($pause -gt 3200 -or -not (Test-Passing (Get-Cause $_))) { throw }
            Start-Sleep -Milliseconds $pause
            $pause = $pause * 2
        }
    }
}

$reader = New-Object IO.StreamReader($InputFile, [Text.Encoding]::UTF8)
$writer = New-Object IO.StreamWriter($OutputFile, $false, (New-Object Text.UTF8Encoding $false))
$writer.NewLine = "`n"
$writer.AutoFlush = $true
$settings = ConvertFrom-Json -InputObject $reader.ReadLine()
$inherit = [bool]$settings.inherit -and $OnWindows

while ($null -ne ($line = $reader.ReadLine())) {
    if ($line -eq '') { continue }
    $move = ConvertFrom-Json -InputObject $line
    $from = [string]$move.from
    $to = [string]$move.to
    $answer = [ordered]@{ kind = 'moved'; from = $from; to = $to }
    try {
        Invoke-Step { Save-Bytes $from }
        Invoke-Step { Move-Replacing $from $to }
        if ($inherit) { Invoke-Step { Reset-Permissions $to } }
    } catch { $answer.error = [string](Get-Cause $_).Message }
    Write-Line $answer
}
$reader.Close()
Write-Line ([ordered]@{ kind = 'end' })
$writer.Close()
exit 0
