# Says what a WSUS server looks like in the places that we rely on: members of the API, names of
# content files, form of the log, an update's XML. Changes nothing; one file of its own is removed.
#
# Reads   {"kind":"settings","parts":["members","content","log","updates"]}, then {"type":"IUpdateServer","members":["GetUpdates", ...]}*
# Writes  {"kind":"engine","version","culture"}, for each type {"kind":"members","type","missing"},
#         {"kind":"content",...}, {"kind":"log",...}, {"kind":"update",...} for each update of a
#         sample, {"kind":"unknown","topic","reason"} for what cannot be read, {"kind":"end"}.
#         Of names and lines it writes shapes alone: letters are a, digits are 9.
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)][string]$InputFile,
    [Parameter(Mandatory = $true)][string]$OutputFile
)
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
trap { [Console]::Error.WriteLine([string]$_ + $_.InvocationInfo.PositionMessage); exit 1 }

$namespace = 'Microsoft.UpdateServices.Administration.'
$mostUpdates = 20
$mostShapes = 5
$logBytes = 262144

function Write-Line($Value) {
    $script:writer.WriteLine((ConvertTo-Json -InputObject $Value -Compress -Depth 5))
}

function Get-Shape([string]$Text) {
    if ($Text.Length -gt 60) { $Text = $Text.Substring(0, 60) }
    return ($Text -replace '[A-Za-z]', 'a') -replace '\d', '9'
}

function Get-MemberNames($Type) {
    $names = @{}
    foreach ($part in @($Type) + @($Type.GetInterfaces())) {
        foreach ($member in $part.GetMembers()) { $names[[string]$member.Name] = $true }
    }
    return $names
}

function Write-Members {
    $proxy = [Type]'Microsoft.UpdateServices.Administration.AdminProxy'
    $assembly = $proxy.Assembly
    foreach ($row in $script:asked) {
        $missing = New-Object Collections.Generic.List[string]
        $type = $assembly.GetType($namespace + [string]$row.type)
        $names = @{}
        if ($null -ne $type) { $names = Get-MemberNames $type }
        foreach ($name in $row.members) { if (-not $names.ContainsKey([string]$name)) { $missing.Add([string]$name) } }
        Write-Line ([ordered]@{ kind = 'members'; type = [string]$row.type; missing = $missing.ToArray() })
    }
}

function Write-Content {
    $root = [string]$script:config.LocalContentCachePath
    $extensions = @{}
    $shapes = New-Object Collections.Generic.List[string]
    $files = 0
    $odd = 0
    $largest = [long]0
    foreach ($path in [IO.Directory]::EnumerateFiles($root, '*', [IO.SearchOption]'AllDirectories')) {
        $name = [IO.Path]::GetFileName($path)
        if ($name -eq 'anonymousCheckFile.txt') { continue }
        $files++
        $extension = [IO.Path]::GetExtension($name).ToLowerInvariant()
        if ($name -match '^[0-9A-Fa-f]{40}(\.[A-Za-z0-9_-]{1,32})?$') { $extensions[$extension] = 1 + [int]$extensions[$extension] }
        else {
            $odd++
            if ($shapes.Count -lt $mostShapes) { $shapes.Add((Get-Shape $name)) }
        }
        $size = (New-Object IO.FileInfo $path).Length
        if ($size -gt $largest) { $largest = $size }
    }
    Write-Line ([ordered]@{ kind = 'content'; files = $files; odd_names = $odd; odd_shapes = $shapes.ToArray(); extensions = $extensions; largest_bytes = $largest })
}

function Write-Log {
    $folder = [string]$script:config.LogFilePath
    $log = [IO.Path]::Combine($folder, 'SoftwareDistribution.log')
    $stream = New-Object IO.FileStream($log, [IO.FileMode]'Open', [IO.FileAccess]'Read', [IO.FileShare]'ReadWrite, Delete', 4096)
    try {
        $size = $stream.Length
        [void]$stream.Seek([Math]::Max(0, $size - $logBytes), [IO.SeekOrigin]'Begin')
        $buffer = New-Object byte[] $logBytes
        $got = $stream.Read($buffer, 0, $logBytes)
    } finally { $stream.Close() }
    $text = [Text.Encoding]::GetEncoding(28591).GetString($buffer, 0, $got).Replace([string][char]0, '')
    $entries = 0
    $others = 0
    $shapes = New-Object Collections.Generic.List[string]
    foreach ($line in $text.Split([char]10)) {
        if ($line -match '^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\.\d+ UTC\t\S+\t\S+\t\S+\t') { $entries++ }
        elseif ($line -match '^\d{1,4}[-./]\d') {
            $others++
            if ($shapes.Count -lt $mostShapes) { $shapes.Add((Get-Shape $line.Trim())) }
        }
    }
    Write-Line ([ordered]@{ kind = 'log'; size_bytes = $size; entries = $entries; other_entries = $others; other_shapes = $shapes.ToArray() })
}

function Write-Update($Update, [string]$Path) {
    $script:server.ExportPackageMetadata($Update.Id, $Path)
    $size = (New-Object IO.FileInfo $Path).Length
    $children = New-Object Collections.Generic.List[string]
    $root = $null
    $vocabulary = $null
    $encoding = ''
    $reader = [Xml.XmlReader]::Create($Path)
    try {
        while ($reader.Read()) {
            if ($reader.NodeType.ToString() -eq 'XmlDeclaration') { $encoding = ([string]$reader.GetAttribute('encoding')).ToLowerInvariant() }
            if ($reader.NodeType.ToString() -ne 'Element') { continue }
            if ($reader.Depth -eq 0) {
                $root = [string]$reader.LocalName
                $vocabulary = [string]$reader.NamespaceURI
            } elseif ($reader.Depth -eq 1) { $children.Add([string]$reader.LocalName) }
        }
    } finally { $reader.Close() }
    Write-Line ([ordered]@{ kind = 'update'; size_bytes = $size; root = $root; namespace = $vocabulary; children = $children.ToArray(); encoding = $encoding })
}

function Write-Updates {
    $scope = New-Object Microsoft.UpdateServices.Administration.UpdateScope
    $scope.ApprovedStates = [Microsoft.UpdateServices.Administration.ApprovedStates]'LatestRevisionApproved'
    $path = $OutputFile + '.xml'
    $count = 0
    try {
        foreach ($update in $script:server.GetUpdates($scope)) {
            Write-Update $update $path
            $count++
            if ($count -ge $mostUpdates) { break }
        }
    } finally { if ([IO.File]::Exists($path)) { [IO.File]::Delete($path) } }
}

$reader = New-Object IO.StreamReader($InputFile, [Text.Encoding]::UTF8)
$settings = ConvertFrom-Json -InputObject $reader.ReadLine()
$asked = New-Object Collections.Generic.List[object]
while ($null -ne ($line = $reader.ReadLine())) { if ($line -ne '') { $asked.Add((ConvertFrom-Json -InputObject $line)) } }
$reader.Close()
$writer = New-Object IO.StreamWriter($OutputFile, $false, (New-Object Text.UTF8Encoding $false))
$writer.NewLine = "`n"
[void][Reflection.Assembly]::LoadWithPartialName('Microsoft.UpdateServices.Administration')
$server = [Microsoft.UpdateServices.Administration.AdminProxy]::GetUpdateServer()
$config = $server.GetConfiguration()
Write-Line ([ordered]@{ kind = 'engine'; version = $PSVersionTable.PSVersion.ToString(); culture = [string][Globalization.CultureInfo]::CurrentUICulture.Name })
$parts = [ordered]@{
    members = { Write-Members }
    content = { Write-Content }
    log = { Write-Log }
    updates = { Write-Updates }
}
foreach ($part in $parts.Keys) {
    if ($settings.parts -notcontains $part) { continue }
    try { & $parts[$part] }
    catch { Write-Line ([ordered]@{ kind = 'unknown'; topic = $part; reason = $_.Exception.GetType().Name }) }
}
Write-Line ([ordered]@{ kind = 'end' })
$writer.Close()
exit 0
