# Says which volume a folder is on, how much room it has, and where the folder really lies. Changes nothing.
#
# Reads   {"kind":"settings","path":"D:\\WSUS\\WsusContent"}
# Writes  {"kind":"volume","name","free_bytes","file_system","real_path"}, then {"kind":"end"}.
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)][string]$InputFile,
    [Parameter(Mandatory = $true)][string]$OutputFile
)
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
trap { [Console]::Error.WriteLine([string]$_ + $_.InvocationInfo.PositionMessage); exit 1 }

$reader = New-Object IO.StreamReader($InputFile, [Text.Encoding]::UTF8)
$settings = ConvertFrom-Json -InputObject $reader.ReadLine()
$reader.Close()
$path = [string]$settings.path

# Follows junctions and symbolic links, one at a time. A folder in which a volume is mounted is a
# junction as well, whose target is the volume and no path: it stays as it is.
function Get-RealPath([string]$Whole) {
    $separator = [string][IO.Path]::DirectorySeparatorChar
    for ($hops = 0; $hops -lt 40; $hops++) {
        $current = $Whole
        $tail = ''
        $target = $null
        while ($null -eq $target -and $current -ne '') {
            $item = Get-Item -LiteralPath $current -Force -ErrorAction SilentlyContinue
            if ($null -ne $item -and $item.PSObject.Properties['LinkType'] -and @('Junction', 'SymbolicLink') -contains $item.LinkType) {
                $to = [string](@($item.Target)[0])
                if ($to -ne '' -and $to -notlike '*Volume{*') {
                    if (-not [IO.Path]::IsPathRooted($to)) { $to = Join-Path (Split-Path -Parent $current) $to }
                    $target = $to
                    continue
                }
            }
            $tail = $separator + (Split-Path -Leaf $current) + $tail
            $current = [string](Split-Path -Parent $current)
        }
        if ($null -eq $target) { return $Whole }
        $Whole = $target.TrimEnd('\', '/') + $tail
    }
    throw "too many links on the way to $Whole"
}

$path = Get-RealPath $path

# Mounted folders are volumes too: the longest volume name that begins the path is the one.
$best = $null
foreach ($volume in Get-CimInstance -ClassName Win32_Volume) {
    $name = [string]$volume.Name
    if ($name -eq '' -or -not ($path + '\').StartsWith($name, [StringComparison]::OrdinalIgnoreCase)) { continue }
    if ($null -eq $best -or $name.Length -gt ([string]$best.Name).Length) { $best = $volume }
}
if ($null -eq $best) { throw "no volume holds $path" }

$answer = [ordered]@{
    kind = 'volume'
    name = [string]$best.Name
    free_bytes = [long]$best.FreeSpace
    file_system = [string]$best.FileSystem
    real_path = $path
}
$lines = (ConvertTo-Json -InputObject $answer -Compress) + "`n{`"kind`":`"end`"}`n"
[IO.File]::WriteAllText($OutputFile, $lines, (New-Object Text.UTF8Encoding $false))
exit 0
