# Says of each revision named which files WSUS itself takes for licence terms. Changes nothing.
#
# Reads   {"kind":"settings"}, then {"update_id","revision"}*
# Writes  {"kind":"file","sha1","name","is_license"} for each file of these revisions (sha1: 40 digits
#         in upper case; name: its original name, which has the language), then {"kind":"end"}.
#         A revision that the server lacks, or cannot tell of, has no line.
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)][string]$InputFile,
    [Parameter(Mandatory = $true)][string]$OutputFile
)
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
trap { [Console]::Error.WriteLine([string]$_ + $_.InvocationInfo.PositionMessage); exit 1 }

function Write-Item($Item) {
    foreach ($file in $Item.Files) {
        $script:writer.WriteLine((ConvertTo-Json -InputObject ([ordered]@{
            kind = 'file'
            sha1 = [BitConverter]::ToString($file.Hash).Replace('-', '')
            name = [string]$file.Name
            is_license = [bool]$file.IsEula
        }) -Compress -Depth 2))
    }
    foreach ($child in $Item.GetInstallableItems()) { Write-Item $child }
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
    $id = New-Object Microsoft.UpdateServices.Administration.UpdateRevisionId(([Guid]$asked.update_id), ([int]$asked.revision))
    try { foreach ($item in $server.GetUpdate($id).GetInstallableItems()) { Write-Item $item } }
    catch { continue }
}
$reader.Close()
$writer.WriteLine('{"kind":"end"}')
$writer.Close()
exit 0
