# Imports updates from the Microsoft Update Catalog, each by its id. Needs a connection to it.
#
# Reads   {"kind":"settings"}, then {"update_id"}*
# Writes  {"kind":"update","update_id","result":"imported"|"already"|"failed","revision","title",
#          "error_type","error"}* in the same order, then {"kind":"end"}.
#         "already": the server had the update, and nothing was asked of the Catalog. One that fails
#         does not keep the others from being imported.
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

function Get-Cause($Problem) {
    $cause = $Problem.Exception
    while ($null -ne $cause.InnerException) { $cause = $cause.InnerException }
    return $cause
}

# Revision 0 is the newest one. Only "not found" is an answer; any other failure ends the script.
function Find-Update([Guid]$UpdateId) {
    $id = New-Object Microsoft.UpdateServices.Administration.UpdateRevisionId($UpdateId, 0)
    try { return $script:server.GetUpdate($id) }
    catch {
        if ((Get-Cause $_).GetType().Name -eq 'WsusObjectNotFoundException') { return $null }
        throw
    }
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
    $answer = [ordered]@{
        kind = 'update'
        update_id = [string]$asked.update_id
        result = 'already'
        revision = $null
        title = $null
        error_type = $null
        error = $null
    }
    $update = Find-Update ([Guid]$asked.update_id)
    if ($null -eq $update) {
        $problem = $null
        try { $server.ImportUpdateFromCatalogSite([string]$asked.update_id, [string[]]@()) } catch { $problem = Get-Cause $_ }
        $update = Find-Update ([Guid]$asked.update_id)
        $answer.result = 'imported'
        if ($null -eq $update) {
            $answer.result = 'failed'
            $answer.error = 'the server does not have it after the import'
            if ($null -ne $problem) {
                $answer.error_type = $problem.GetType().Name
                $answer.error = [string]$problem.Message
            }
        }
    }
    if ($null -ne $update) {
        $answer.revision = [int]$update.Id.RevisionNumber
        $answer.title = [string]$update.Title
    }
    Write-Line $answer
}
$reader.Close()
Write-Line ([ordered]@{ kind = 'end' })
$writer.Close()
exit 0
