# Runs one program to its end and leaves behind what it said and how it ended. Started detached by
# start-detached.ps1; never ends the program it started.
#
# Reads   the request file {"command":["program","argument",...]}, and removes it.
# Writes  into the job folder
#           started    "PROCESS-ID START-TIME" of this supervisor, made only if it is not there:
#                      of several supervisors of one job, one goes on and the others end
#           program    the same of the program
#           stdout, stderr   its bytes, as they come
#           exit-code  its exit code, written beside and renamed; 127 when it could not be started
#         START-TIME is in ticks of UTC.
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)][string]$JobFolder,
    [Parameter(Mandatory = $true)][string]$RequestFile
)
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
trap { [Console]::Error.WriteLine([string]$_ + $_.InvocationInfo.PositionMessage); exit 1 }

$Encoding = New-Object Text.UTF8Encoding $false

function Get-JobFile([string]$Name) { return [IO.Path]::Combine($JobFolder, $Name) }

function Get-Identity($Process) { return "$($Process.Id) $($Process.StartTime.ToUniversalTime().Ticks)`n" }

# Written beside and renamed, so that nobody reads half of it.
function Write-Whole([string]$Name, [string]$Text) {
    [IO.File]::WriteAllText((Get-JobFile "$Name.part"), $Text, $Encoding)
    [IO.File]::Move((Get-JobFile "$Name.part"), (Get-JobFile $Name))
}

# A rename onto an existing name fails, which is how the second supervisor learns that it is one.
function Test-First {
    $own = Get-JobFile "started-$PID"
    [IO.File]::WriteAllText($own, (Get-Identity ([Diagnostics.Process]::GetCurrentProcess())), $Encoding)
    try { [IO.File]::Move($own, (Get-JobFile 'started')); return $true }
    catch {
        [IO.File]::Delete($own)
        if ([IO.File]::Exists((Get-JobFile 'started'))) { return $false }
        throw
    }
}

# How programs on Windows take their command line apart: a backslash counts only before a quote.
function ConvertTo-Argument([string]$Text) {
    if ($Text -ne '' -and $Text -notmatch '[\s"]') { return $Text }
    $escaped = [Text.RegularExpressions.Regex]::Replace($Text, '(\\*)"', '$1$1\"')
    $escaped = [Text.RegularExpressions.Regex]::Replace($escaped, '(\\+)$', '$1$1')
    return '"' + $escaped + '"'
}

function Open-Output([string]$Name) {
    # A buffer of one byte is none: what the program says can be read while it runs.
    return New-Object IO.FileStream((Get-JobFile $Name), [IO.FileMode]::Create, [IO.FileAccess]::Write, [IO.FileShare]::Read, 1)
}

function Invoke-Program([string[]]$Command, $Stdout, $Stderr) {
    $start = New-Object Diagnostics.ProcessStartInfo
    $start.FileName = $Command[0]
    $quoted = New-Object Collections.Generic.List[string]
    for ($i = 1; $i -lt $Command.Length; $i++) { $quoted.Add((ConvertTo-Argument $Command[$i])) }
    $start.Arguments = [string]::Join(' ', $quoted.ToArray())
    $start.WorkingDirectory = $JobFolder
    $start.UseShellExecute = $false
    $start.CreateNoWindow = $true
    $start.RedirectStandardInput = $true
    $start.RedirectStandardOutput = $true
    $start.RedirectStandardError = $true
    $process = [Diagnostics.Process]::Start($start)
    $process.StandardInput.Close()
    $one = $process.StandardOutput.BaseStream.CopyToAsync($Stdout)
    $other = $process.StandardError.BaseStream.CopyToAsync($Stderr)
    # A program that has ended by now needs no identity any more.
    try { Write-Whole 'program' (Get-Identity $process) }
    catch { if (-not $process.HasExited) { throw } }
    $process.WaitForExit()
    $one.Wait()
    $other.Wait()
    return $process.ExitCode
}

if (-not (Test-First)) { [IO.File]::Delete($RequestFile); exit 0 }
$command = [string[]]@((ConvertFrom-Json -InputObject ([IO.File]::ReadAllText($RequestFile, $Encoding))).command)
$stdout = Open-Output 'stdout'
$stderr = Open-Output 'stderr'
try { $code = Invoke-Program $command $stdout $stderr }
catch {
    $bytes = $Encoding.GetBytes([string]$_ + "`n")
    $stderr.Write($bytes, 0, $bytes.Length)
    $code = 127
}
foreach ($stream in @($stdout, $stderr)) { $stream.Flush($true); $stream.Close() }
Write-Whole 'exit-code' "$code`n"
[IO.File]::Delete($RequestFile)
exit 0
