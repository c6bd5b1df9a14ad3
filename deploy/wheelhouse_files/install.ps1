# Installs wsus-airgap from this folder, and asks no network for anything. Windows PowerShell 5.1.
#
#   powershell -ExecutionPolicy Bypass -File install.ps1 -Target FOLDER [-Key RELEASE.pub.xml] [-Python PROGRAM]
#
# Target  folder for the checkout; it must not exist yet.
# Key     public key of whoever made this folder, which came another way; without it the files are
#         checked against SHA256SUMS alone, whose own digest is printed for a comparison by telephone.
# Python  Python 3.11 or newer (default: py).
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)][string]$Target,
    [string]$Key = '',
    [string]$Python = 'py'
)
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'

function Stop-Install([string]$Reason, [int]$Code) {
    [Console]::Error.WriteLine("install.ps1: $Reason; nothing was installed")
    exit $Code
}

function Get-Sha256([string]$Path) {
    $sha = [Security.Cryptography.SHA256]::Create()
    $stream = [IO.File]::OpenRead($Path)
    try { $bytes = $sha.ComputeHash($stream) } finally { $stream.Dispose(); $sha.Dispose() }
    return ([BitConverter]::ToString($bytes) -replace '-', '').ToLowerInvariant()
}

$folder = Split-Path -Parent $MyInvocation.MyCommand.Path
if (Test-Path -LiteralPath $Target) { Stop-Install "$Target exists already" 64 }
$sums = Join-Path $folder 'SHA256SUMS'
if ($Key -ne '') {
    $rsa = New-Object Security.Cryptography.RSACryptoServiceProvider
    $rsa.FromXmlString([IO.File]::ReadAllText($Key))
    $signature = [IO.File]::ReadAllBytes((Join-Path $folder 'SHA256SUMS.sig'))
    $isGood = $rsa.VerifyData([IO.File]::ReadAllBytes($sums), 'SHA256', $signature)
    if (-not $isGood) { Stop-Install "SHA256SUMS is not signed by $Key" 3 }
    Write-Output 'signature: good'
} else {
    Write-Output ('signature: not looked at (-Key); digest of SHA256SUMS: ' + (Get-Sha256 $sums))
}

$listed = @{}
foreach ($line in [IO.File]::ReadAllLines($sums)) {
    $digest, $name = $line -split '  ', 2
    $listed[$name] = $digest
}
foreach ($name in $listed.Keys) {
    $path = Join-Path $folder $name
    if (-not (Test-Path -LiteralPath $path)) { Stop-Install "$name is missing" 3 }
    if ((Get-Sha256 $path) -ne $listed[$name]) { Stop-Install "$name differs from SHA256SUMS" 3 }
}
# A name that SHA256SUMS does not know could be a wheel that pip prefers.
$start = $folder.TrimEnd('\', '/').Length + 1
foreach ($file in Get-ChildItem -LiteralPath $folder -Recurse -File) {
    $name = $file.FullName.Substring($start) -replace '\\', '/'
    if ($name -ne 'SHA256SUMS' -and $name -ne 'SHA256SUMS.sig' -and -not $listed.ContainsKey($name)) {
        Stop-Install "SHA256SUMS does not name $name" 3
    }
}
Write-Output 'files: as in SHA256SUMS'

[void](New-Item -ItemType Directory -Path $Target)
& $Python -m zipfile -e (Join-Path $folder 'checkout.zip') $Target
if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
foreach ($name in 'PIP_INDEX_URL', 'PIP_EXTRA_INDEX_URL') {
    [Environment]::SetEnvironmentVariable($name, $null, 'Process')
}
$env:PIP_NO_INDEX = '1'
$env:PIP_FIND_LINKS = Join-Path $folder 'wheels'
$env:PIP_CONFIG_FILE = 'nul'
& $Python (Join-Path $Target 'deploy\run.py') --version
if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
Write-Output "installed: $Target"
