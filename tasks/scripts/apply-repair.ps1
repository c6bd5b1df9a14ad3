# Sets the settings of one repair, and restarts the services that it names. Nothing else.
#
# Reads   {"kind":"settings","restarts":["iis","WsusService","W3SVC"]}, then a line for each setting:
#         {"where":"configuration","key":null,"name":"MUUrl","from":value,"to":value}
#         {"where":"registry","key":"SOFTWARE\\...","name":"SchUseStrongCrypto","from":value,"to":value}
#         A value of the registry is a number, or "not set". Only the settings below may be named.
# Writes  {"kind":"setting","where","key","name","result":"done"|"already"|"differs","value"} for
#         each; "differs": the value is neither `from` nor `to`, and then nothing at all is set and
#         nothing is restarted. {"kind":"beside","command_line"}: a wsusutil works, and nothing is
#         set. {"kind":"restart","what","problem":null|text} for each restart, {"kind":"end"}.
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)][string]$InputFile,
    [Parameter(Mandatory = $true)][string]$OutputFile
)
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
trap { [Console]::Error.WriteLine([string]$_ + $_.InvocationInfo.PositionMessage); exit 1 }

$allowed = 'configuration::MUUrl', 'configuration::RedirectorChangeNumber',
    'registry:SOFTWARE\Microsoft\.NETFramework\v4.0.30319:SchUseStrongCrypto'
$restartable = 'iis', 'WsusService', 'W3SVC'

function Write-Line($Value) {
    $script:writer.WriteLine((ConvertTo-Json -InputObject $Value -Compress -Depth 4))
}

function Get-Present($Setting) {
    if ($Setting.where -eq 'configuration') {
        if ($Setting.name -eq 'MUUrl') { return [string]$script:config.MUUrl }
        return [int]$script:config.RedirectorChangeNumber
    }
    $path = 'HKLM:\' + $Setting.key
    if (-not (Test-Path -LiteralPath $path)) { return 'not set' }
    $property = (Get-ItemProperty -LiteralPath $path).PSObject.Properties[[string]$Setting.name]
    if ($null -eq $property) { return 'not set' }
    return $property.Value
}

function Set-Present($Setting) {
    if ($Setting.where -eq 'configuration') {
        if ($Setting.name -eq 'MUUrl') { $script:config.MUUrl = [string]$Setting.to }
        else { $script:config.RedirectorChangeNumber = [int]$Setting.to }
        $script:unsaved = $true
        return
    }
    $path = 'HKLM:\' + $Setting.key
    if ([string]$Setting.to -eq 'not set') {
        Remove-ItemProperty -LiteralPath $path -Name ([string]$Setting.name)
        return
    }
    if (-not (Test-Path -LiteralPath $path)) { [void](New-Item -Path $path -Force) }
    [void](New-ItemProperty -LiteralPath $path -Name ([string]$Setting.name) -Value ([int]$Setting.to) -PropertyType DWord -Force)
}

function Restart-Named([string]$What) {
    if ($What -eq 'iis') {
        $text = [string]::Join(' ', @(& iisreset.exe))
        if ($LASTEXITCODE -ne 0) { throw $text }
    } else { Restart-Service -Name $What -ErrorAction Stop }
}

function Get-Outcome($Setting, [string]$Result, $Value) {
    return [ordered]@{ kind = 'setting'; where = $Setting.where; key = $Setting.key; name = $Setting.name; result = $Result; value = $Value }
}

$reader = New-Object IO.StreamReader($InputFile, [Text.Encoding]::UTF8)
$settings = ConvertFrom-Json -InputObject $reader.ReadLine()
$asked = New-Object Collections.Generic.List[object]
while ($null -ne ($line = $reader.ReadLine())) { $asked.Add((ConvertFrom-Json -InputObject $line)) }
$reader.Close()
foreach ($setting in $asked) {
    $name = [string]$setting.where + ':' + [string]$setting.key + ':' + [string]$setting.name
    if ($allowed -notcontains $name) { throw "no repair sets $name" }
}
foreach ($what in $settings.restarts) { if ($restartable -notcontains $what) { throw "no repair restarts $what" } }

$writer = New-Object IO.StreamWriter($OutputFile, $false, (New-Object Text.UTF8Encoding $false))
$writer.NewLine = "`n"
$config = $null
$unsaved = $false
if (@($asked | Where-Object { $_.where -eq 'configuration' }).Count -gt 0) {
    [void][Reflection.Assembly]::LoadWithPartialName('Microsoft.UpdateServices.Administration')
    $server = [Microsoft.UpdateServices.Administration.AdminProxy]::GetUpdateServer()
    $config = $server.GetConfiguration()
}
$busy = @(Get-CimInstance -ClassName Win32_Process -Filter "Name = 'WsusUtil.exe'")
$differs = @($asked | Where-Object { $present = Get-Present $_; $present -cne $_.from -and $present -cne $_.to })
if ($busy.Count -gt 0) {
    foreach ($process in $busy) { Write-Line ([ordered]@{ kind = 'beside'; command_line = [string]$process.CommandLine }) }
} elseif ($differs.Count -gt 0) {
    foreach ($setting in $differs) { Write-Line (Get-Outcome $setting 'differs' (Get-Present $setting)) }
} else {
    foreach ($setting in $asked) {
        $result = 'already'
        if ((Get-Present $setting) -cne $setting.to) {
            Set-Present $setting
            $result = 'done'
        }
        Write-Line (Get-Outcome $setting $result $setting.to)
    }
    if ($unsaved) { $config.Save() }
    foreach ($what in $settings.restarts) {
        $problem = $null
        try { Restart-Named $what } catch { $problem = [string]$_ }
        Write-Line ([ordered]@{ kind = 'restart'; what = $what; problem = $problem })
    }
}
Write-Line ([ordered]@{ kind = 'end' })
$writer.Close()
exit 0
