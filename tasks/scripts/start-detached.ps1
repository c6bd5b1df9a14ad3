# Starts a program that outlives this session, at most once per job folder, or says how it stands.
#
# Reads   {"kind":"settings","job":"C:\\...\\jobs\\export","command":["C:\\...\\WsusUtil.exe",...]}
#         With "command":null nothing is started: the answer is how the job stands.
# Writes  {"kind":"job","state":"started"|"found"|"absent","running","exit_code","cpu_seconds"},
#         then {"kind":"end"}. A job that was found, does not run and has no exit code is lost.
# The job folder and what lies in it: see supervise-job.ps1, which must lie beside this script and
# is started through Win32_Process.Create: OpenSSH ends the children of a session with it.
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)][string]$InputFile,
    [Parameter(Mandatory = $true)][string]$OutputFile
)
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
trap { [Console]::Error.WriteLine([string]$_ + $_.InvocationInfo.PositionMessage); exit 1 }

$Encoding = New-Object Text.UTF8Encoding $false
$StartLimitSeconds = 60

function Get-JobFile([string]$Name) { return [IO.Path]::Combine($script:job, $Name) }

# Another process may have got the number since: number and start time together are the process.
# Two processes may read one start time a little apart; no number comes back within two seconds.
function Find-Process([string]$Identity) {
    $parts = $Identity.Trim().Split(' ')
    if ($parts.Length -ne 2) { return $null }
    try {
        $process = [Diagnostics.Process]::GetProcessById([int]$parts[0])
        $apart = [Math]::Abs($process.StartTime.ToUniversalTime().Ticks - [long]$parts[1])
        if ($apart -lt [TimeSpan]::TicksPerSecond * 2) { return $process }
    } catch { return $null }
    return $null
}

function Read-Identity([string]$Name) {
    $path = Get-JobFile $Name
    if (-not [IO.File]::Exists($path)) { return '' }
    return [IO.File]::ReadAllText($path, $Encoding)
}

# The exit code is read last but looked for again, because a job may end between the two looks.
function Get-JobState {
    $answer = [ordered]@{ kind = 'job'; state = 'found'; running = $false; exit_code = $null; cpu_seconds = $null }
    $program = Find-Process (Read-Identity 'program')
    # A program whose supervisor was ended still works on the server.
    $answer.running = $null -ne $program -or $null -ne (Find-Process (Read-Identity 'started'))
    if ($null -ne $program) {
        # It may have ended since it was found; then it has no time any more.
        $time = $program.TotalProcessorTime
        if ($null -ne $time) { $answer.cpu_seconds = [double]$time.TotalSeconds }
    }
    $path = Get-JobFile 'exit-code'
    if ([IO.File]::Exists($path)) {
        $answer.exit_code = [int][IO.File]::ReadAllText($path, $Encoding).Trim()
        $answer.running = $false
    }
    return $answer
}

function Start-Job($Command) {
    [void][IO.Directory]::CreateDirectory($script:job)
    # Each starter writes a request of its own; the supervisor that wins takes the one it was given.
    $request = Get-JobFile ('request-' + [Guid]::NewGuid().ToString('N') + '.json')
    $arguments = [string[]]@($Command)
    [IO.File]::WriteAllText($request, (ConvertTo-Json -InputObject @{ command = $arguments } -Compress), $Encoding)
    $supervisor = [IO.Path]::Combine($PSScriptRoot, 'supervise-job.ps1')
    if (-not [IO.File]::Exists($supervisor)) { throw "supervise-job.ps1 does not lie beside this script: $supervisor" }
    $engine = [Diagnostics.Process]::GetCurrentProcess().MainModule.FileName
    $line = '"{0}" -NoProfile -NonInteractive -ExecutionPolicy Bypass -File "{1}" -JobFolder "{2}" -RequestFile "{3}"' -f $engine, $supervisor, $script:job, $request
    $created = Invoke-CimMethod -ClassName Win32_Process -MethodName Create -Arguments @{ CommandLine = $line }
    if ($created.ReturnValue -ne 0) { throw "Win32_Process.Create answered $($created.ReturnValue)" }
    $limit = [DateTime]::UtcNow.AddSeconds($StartLimitSeconds)
    while (-not [IO.File]::Exists((Get-JobFile 'started'))) {
        if ([DateTime]::UtcNow -gt $limit) { throw "the supervisor did not begin within $StartLimitSeconds seconds" }
        Start-Sleep -Milliseconds 100
    }
}

$reader = New-Object IO.StreamReader($InputFile, [Text.Encoding]::UTF8)
$settings = ConvertFrom-Json -InputObject $reader.ReadLine()
$reader.Close()
$job = [string]$settings.job

if ([IO.File]::Exists((Get-JobFile 'started'))) { $answer = Get-JobState }
elseif ($null -eq $settings.command) {
    $answer = [ordered]@{ kind = 'job'; state = 'absent'; running = $false; exit_code = $null; cpu_seconds = $null }
} else {
    Start-Job $settings.command
    $answer = Get-JobState
    $answer.state = 'started'
}
$lines = (ConvertTo-Json -InputObject $answer -Compress) + "`n{`"kind`":`"end`"}`n"
[IO.File]::WriteAllText($OutputFile, $lines, $Encoding)
exit 0
