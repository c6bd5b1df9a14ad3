# Sets up the SSH server of a WSUS host for one orchestrator: its key, its address, nothing else.
#
#     powershell.exe -ExecutionPolicy Bypass -File ssh-server.ps1 -PublicKey id_ed25519.pub -Address 192.0.2.10
#
# PublicKey is the file with the orchestrator's public key, Address the address that it comes from.
# It may be run again; -WhatIf only shows what it would do. At the end it prints the fingerprint of
# the host key, to be compared with the line that goes into the file of `server.known_hosts`.
# Never run on Windows yet (deploy/lab/EVIDENCE.md).
#Requires -Version 5.1
#Requires -RunAsAdministrator
[CmdletBinding(SupportsShouldProcess = $true)]
param(
    [Parameter(Mandatory = $true)][string]$PublicKey,
    [Parameter(Mandatory = $true)][ValidatePattern('^[0-9A-Fa-f:.]+$')][string]$Address
)
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'

$key = ([IO.File]::ReadAllText((Convert-Path -LiteralPath $PublicKey))).Trim()
if ($key -notmatch '^(ssh-ed25519|ecdsa-sha2-nistp\d+|ssh-rsa) [A-Za-z0-9+/=]+( [^\r\n]*)?$') {
    throw "$PublicKey is no public key of OpenSSH (one line that begins with ssh-ed25519 or the like)"
}
if (-not (Get-Service -Name sshd -ErrorAction SilentlyContinue)) {
    throw 'There is no SSH server. Install it: Add-WindowsCapability -Online -Name OpenSSH.Server~~~~0.0.1.0 (without a network with -Source, from the Features on Demand of this Windows, and -LimitAccess)'
}
$folder = Join-Path $env:ProgramData 'ssh'
$keys = Join-Path $folder 'administrators_authorized_keys'
$config = Join-Path $folder 'sshd_config'
$utf8 = New-Object Text.UTF8Encoding $false

# First, because the rule of the capability lets in every address.
$rule = Get-NetFirewallRule -Name 'OpenSSH-Server-In-TCP' -ErrorAction SilentlyContinue
if (-not $rule) {
    Write-Warning 'There is no firewall rule OpenSSH-Server-In-TCP. If another one lets SSH in, restrict it by hand.'
} elseif ($PSCmdlet.ShouldProcess('OpenSSH-Server-In-TCP', "allow $Address only")) {
    Set-NetFirewallRule -Name 'OpenSSH-Server-In-TCP' -RemoteAddress $Address
}
# sshd makes its folder, host keys and configuration when it first starts.
if (-not (Test-Path -LiteralPath $config) -and $PSCmdlet.ShouldProcess('sshd', 'start it once')) {
    Start-Service -Name sshd
}

# OpenSSH for Windows reads the keys of all administrators from this file, and only if nobody else
# can write to it. 'restrict' switches off forwarding of ports, agent and X11, and terminals.
$line = 'restrict,from="' + $Address + '" ' + $key
$lines = @()
if (Test-Path -LiteralPath $keys) { $lines = @([IO.File]::ReadAllLines($keys)) }
if ($lines -notcontains $line -and $PSCmdlet.ShouldProcess($keys, 'add the key')) {
    # An older line of the same key, without its address, would let it in from everywhere.
    $blob = $key.Split(' ')[1]
    $lines = @($lines | Where-Object { $_ -and $_ -notmatch [regex]::Escape($blob) }) + $line
    [IO.File]::WriteAllLines($keys, [string[]]$lines, $utf8)
}
if ($PSCmdlet.ShouldProcess($keys, 'leave it to SYSTEM and Administrators')) {
    # By number, because the names are translated.
    icacls.exe $keys /reset | Out-Null
    icacls.exe $keys /inheritance:r /grant '*S-1-5-18:F' /grant '*S-1-5-32-544:F' | Out-Null
    if ($LASTEXITCODE) { throw "icacls ended with $LASTEXITCODE" }
}

# The first value of a setting counts, so ours stand before all others. They are for everybody who
# uses this SSH server; a copy of the file as it was lies beside it.
$ours = @('# wsus-airgap', 'PasswordAuthentication no', 'AllowTcpForwarding no', 'AllowAgentForwarding no')
$before = @()
if (Test-Path -LiteralPath $config) { $before = @([IO.File]::ReadAllLines($config)) }
if ($before -notcontains $ours[0] -and $PSCmdlet.ShouldProcess($config, 'no passwords, no forwarding')) {
    [IO.File]::WriteAllLines("$config.before-wsus-airgap", [string[]]$before, $utf8)
    [IO.File]::WriteAllLines($config, [string[]]($ours + $before), $utf8)
}

if ($PSCmdlet.ShouldProcess('sshd', 'start now and at boot')) {
    Set-Service -Name sshd -StartupType Automatic
    Restart-Service -Name sshd
}
$hostKey = Join-Path $folder 'ssh_host_ed25519_key.pub'
if (Test-Path -LiteralPath $hostKey) { ssh-keygen.exe -l -f $hostKey }
