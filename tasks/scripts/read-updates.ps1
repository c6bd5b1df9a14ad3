# Says of each revision named whether the server has it and how it stands. Changes nothing.
#
# Reads   {"kind":"settings"}, then {"update_id","revision"}*
# Writes  {"kind":"update","update_id","revision","found","state","declined","latest_revision",
#          "license_required","license_accepted"}* in the same order, then {"kind":"end"}.
#         Of a revision that the server lacks only latest_revision may be known (null: no such
#         update at all).
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
    $script:writer.WriteLine((ConvertTo-Json -InputObject $Value -Compress -Depth 4))
}

# Revision 0 is the newest one. Only "not found" is an answer; any other failure ends the script.
function Find-Update([Guid]$UpdateId, [int]$Revision) {
    $id = New-Object Microsoft.UpdateServices.Administration.UpdateRevisionId($UpdateId, $Revision)
    try { return $script:server.GetUpdate($id) }
    catch {
        $cause = $_.Exception
        while ($null -ne $cause.InnerException) { $cause = $cause.InnerException }
        if ($cause.GetType().Name -eq 'WsusObjectNotFoundException') { return $null }
        throw
    }
}

function Test-LicenseAccepted($Update) {
    if (-not $Update.HasLicenseAgreement) { return $false }
    if (-not $Update.RequiresLicenseAgreementAcceptance) { return $true }
    try { return [bool]$Update.GetLicenseAgreement().IsAccepted } catch { return $false }
}

function Get-LatestRevision($Update, [Guid]$UpdateId) {
    if ($null -ne $Update -and $Update.IsLatestRevision) { return [int]$Update.Id.RevisionNumber }
    $latest = Find-Update $UpdateId 0
    if ($null -eq $latest) { return $null }
    return [int]$latest.Id.RevisionNumber
}

$reader = New-Object IO.StreamReader($InputFile, [Text.Encoding]::UTF8)
$writer = New-Object IO.StreamWriter($OutputFile, $false, (New-Object Text.UTF8Encoding $false))
$writer.NewLine = "`n"
[void]$reader.ReadLine()
[void][Reflection.Assembly]::LoadWithPartialName('Microsoft.UpdateServices.Administration')
$server = [Microsoft.UpdateServices.Administration.AdminProxy]::GetUpdateServer()

while ($null -ne ($line = $reader.ReadLine())) {
    if ($line -eq '') { continue }
    $asked = ConvertFrom-Json -InputObject $line
    $update = Find-Update ([Guid]$asked.update_id) ([int]$asked.revision)
    $answer = [ordered]@{
        kind = 'update'
        update_id = [string]$asked.update_id
        revision = [int]$asked.revision
        found = ($null -ne $update)
        state = $null
        declined = $null
        latest_revision = Get-LatestRevision $update ([Guid]$asked.update_id)
        license_required = $null
        license_accepted = $null
    }
    if ($null -ne $update) {
        $answer.state = $update.State.ToString()
        $answer.declined = [bool]$update.IsDeclined
        $answer.license_required = [bool]$update.HasLicenseAgreement
        $answer.license_accepted = [bool](Test-LicenseAccepted $update)
    }
    Write-Line $answer
}
$reader.Close()
Write-Line ([ordered]@{ kind = 'end' })
$writer.Close()
exit 0
