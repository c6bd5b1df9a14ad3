# Makes a folder that only SYSTEM and the Administrators can use, or says why one that is there
# must not be used. Windows only.
#
# Reads   {"kind":"settings","path":"C:\\ProgramData\\wsus-airgap"}
# Writes  {"kind":"folder","path","created":true|false,"problem":null|text}, then {"kind":"end"}.
# The folder is born with its permissions, so that nobody can slip in between. One that exists is
# left as it is: a link, another owner or open permissions are a problem that a person solves.
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)][string]$InputFile,
    [Parameter(Mandatory = $true)][string]$OutputFile
)
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
trap { [Console]::Error.WriteLine([string]$_ + $_.InvocationInfo.PositionMessage); exit 1 }

$System = New-Object Security.Principal.SecurityIdentifier('S-1-5-18')
$Administrators = New-Object Security.Principal.SecurityIdentifier('S-1-5-32-544')
# Windows itself owns what its setup made; who runs this script may own what it made before.
$Trusted = @('S-1-5-18', 'S-1-5-32-544', 'S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464')

function Get-Owner([string]$Path) {
    $security = [IO.Directory]::GetAccessControl($Path, [Security.AccessControl.AccessControlSections]::Owner)
    return $security.GetOwner([Security.Principal.SecurityIdentifier]).Value
}

function Test-Trusted([string]$Sid) {
    return ($Trusted -contains $Sid -or $Sid -eq [Security.Principal.WindowsIdentity]::GetCurrent().User.Value)
}

function Test-Link([string]$Path) {
    return [bool]([IO.File]::GetAttributes($Path) -band [IO.FileAttributes]::ReparsePoint)
}

# A mounted volume above us is fine; a link that somebody else laid there is not.
function Find-ParentProblem([string]$Path) {
    $parent = [IO.Path]::GetDirectoryName($Path)
    while (-not [string]::IsNullOrEmpty($parent)) {
        if ([IO.Directory]::Exists($parent) -and (Test-Link $parent) -and -not (Test-Trusted (Get-Owner $parent))) {
            return "$parent is a link that belongs to $(Get-Owner $parent)"
        }
        $parent = [IO.Path]::GetDirectoryName($parent)
    }
    return $null
}

function Find-Problem([string]$Path) {
    if (Test-Link $Path) { return 'it is a link' }
    $owner = Get-Owner $Path
    if (-not (Test-Trusted $owner)) { return "it belongs to $owner" }
    $security = [IO.Directory]::GetAccessControl($Path, [Security.AccessControl.AccessControlSections]::Access)
    foreach ($rule in $security.GetAccessRules($true, $true, [Security.Principal.SecurityIdentifier])) {
        $sid = $rule.IdentityReference.Value
        if ($rule.AccessControlType.ToString() -eq 'Allow' -and $sid -ne 'S-1-3-0' -and -not (Test-Trusted $sid)) {
            return "it is open to $sid"
        }
    }
    return $null
}

function New-PrivateFolder([string]$Path) {
    $security = New-Object Security.AccessControl.DirectorySecurity
    $security.SetAccessRuleProtection($true, $false)
    foreach ($account in @($System, $Administrators)) {
        $rule = New-Object Security.AccessControl.FileSystemAccessRule($account, 'FullControl', 'ContainerInherit, ObjectInherit', 'None', 'Allow')
        $security.AddAccessRule($rule)
    }
    [void][IO.Directory]::CreateDirectory($Path, $security)
}

$reader = New-Object IO.StreamReader($InputFile, [Text.Encoding]::UTF8)
$settings = ConvertFrom-Json -InputObject $reader.ReadLine()
$reader.Close()
if ([Environment]::OSVersion.Platform -ne [PlatformID]::Win32NT) { throw 'this script needs Windows' }

$path = ([string]$settings.path).TrimEnd('\')
$created = $false
$problem = Find-ParentProblem $path
if ($null -eq $problem -and [IO.File]::Exists($path)) { $problem = 'it is a file' }
if ($null -eq $problem -and -not [IO.Directory]::Exists($path)) {
    New-PrivateFolder $path
    $created = $true
}
# Looked at even when it is new: somebody may have been quicker.
if ($null -eq $problem) { $problem = Find-Problem $path }

$answer = [ordered]@{ kind = 'folder'; path = $path; created = $created; problem = $problem }
$lines = (ConvertTo-Json -InputObject $answer -Compress) + "`n{`"kind`":`"end`"}`n"
[IO.File]::WriteAllText($OutputFile, $lines, (New-Object Text.UTF8Encoding $false))
exit 0
