# The registry below HKEY_LOCAL_MACHINE, as far as scripts for WSUS read and write it. Every other
# path goes to the command of the engine.

function Get-LocalMachineKey([string]$Path) {
    foreach ($prefix in 'HKLM:\', 'HKLM:/', 'HKEY_LOCAL_MACHINE\', 'Registry::HKEY_LOCAL_MACHINE\', 'Microsoft.PowerShell.Core\Registry::HKEY_LOCAL_MACHINE\') {
        if ($Path.StartsWith($prefix, [StringComparison]::OrdinalIgnoreCase)) {
            return $Path.Substring($prefix.Length).Replace('/', '\').TrimEnd('\')
        }
    }
    return $null
}

# The engine's own command behind one of ours; its module differs from engine to engine.
function Get-EngineCommand([string]$Name) {
    return $ExecutionContext.InvokeCommand.GetCmdlet($Name)
}

function Test-Path {
    [CmdletBinding(DefaultParameterSetName = 'Path')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ParameterSetName = 'Path')][string[]]$Path,
        [Parameter(Mandatory = $true, ParameterSetName = 'LiteralPath')][string[]]$LiteralPath,
        [string]$PathType
    )
    $first = @($Path) + @($LiteralPath) | Where-Object { $_ } | Select-Object -First 1
    $key = Get-LocalMachineKey ([string]$first)
    if ($null -ne $key) { return $null -ne (Invoke-Rule 'registry.read' @('key', $key)) }
    & (Get-EngineCommand 'Test-Path') @PSBoundParameters
}

function Get-ItemProperty {
    [CmdletBinding(DefaultParameterSetName = 'Path')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ParameterSetName = 'Path')][string[]]$Path,
        [Parameter(Mandatory = $true, ParameterSetName = 'LiteralPath')][string[]]$LiteralPath,
        [Parameter(Position = 1)][string[]]$Name
    )
    $first = [string](@($Path) + @($LiteralPath) | Where-Object { $_ } | Select-Object -First 1)
    $key = Get-LocalMachineKey $first
    if ($null -eq $key) { return & (Get-EngineCommand 'Get-ItemProperty') @PSBoundParameters }
    $values = Invoke-Rule 'registry.read' @('key', $key)
    if ($null -eq $values) {
        Write-Error -Message "Cannot find path '$first' because it does not exist." -Category ObjectNotFound -ErrorId 'PathNotFound' -TargetObject $first
        return
    }
    $item = New-Object PSObject
    foreach ($entry in $values.GetEnumerator()) {
        if ($null -eq $Name -or @($Name) -contains $entry.Key) { Add-Member -InputObject $item -MemberType NoteProperty -Name $entry.Key -Value $entry.Value }
    }
    foreach ($missing in @($Name) | Where-Object { $_ -and -not $values.ContainsKey($_) }) {
        Write-Error -Message "Property $missing does not exist at path $first." -Category InvalidArgument -ErrorId 'System.Management.Automation.PSArgumentException' -TargetObject $first
        return
    }
    Add-Member -InputObject $item -MemberType NoteProperty -Name PSPath -Value "Microsoft.PowerShell.Core\Registry::HKEY_LOCAL_MACHINE\$key"
    return $item
}

# A key of the simulated registry is there as soon as it has a value.
function New-Item {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true, Position = 0)][string[]]$Path,
        [string]$Name,
        [Alias('Type')][string]$ItemType,
        [object]$Value,
        [switch]$Force
    )
    $key = Get-LocalMachineKey ([string]$Path[0])
    if ($null -eq $key) { return & (Get-EngineCommand 'New-Item') @PSBoundParameters }
    [PSCustomObject]@{ Name = "HKEY_LOCAL_MACHINE\$key"; PSPath = "Microsoft.PowerShell.Core\Registry::HKEY_LOCAL_MACHINE\$key" }
}

function New-ItemProperty {
    [CmdletBinding(DefaultParameterSetName = 'Path')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ParameterSetName = 'Path')][string[]]$Path,
        [Parameter(Mandatory = $true, ParameterSetName = 'LiteralPath')][string[]]$LiteralPath,
        [Parameter(Mandatory = $true, Position = 1)][string]$Name,
        [object]$Value,
        [Alias('Type')][string]$PropertyType,
        [switch]$Force
    )
    $first = [string](@($Path) + @($LiteralPath) | Where-Object { $_ } | Select-Object -First 1)
    $key = Get-LocalMachineKey $first
    if ($null -eq $key) { throw 'Only the registry has item properties here.' }
    [void](Invoke-Rule 'registry.write' @('key', $key, 'name', $Name, 'value', $Value))
    Get-ItemProperty -LiteralPath $first -Name $Name
}

function Remove-ItemProperty {
    [CmdletBinding(DefaultParameterSetName = 'Path')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ParameterSetName = 'Path')][string[]]$Path,
        [Parameter(Mandatory = $true, ParameterSetName = 'LiteralPath')][string[]]$LiteralPath,
        [Parameter(Mandatory = $true, Position = 1)][string[]]$Name,
        [switch]$Force
    )
    $first = [string](@($Path) + @($LiteralPath) | Where-Object { $_ } | Select-Object -First 1)
    $key = Get-LocalMachineKey $first
    if ($null -eq $key) { throw 'Only the registry has item properties here.' }
    foreach ($property in $Name) { [void](Invoke-Rule 'registry.remove' @('key', $key, 'name', $property)) }
}

# netsh.exe winhttp show proxy, and nothing else of netsh.
function netsh.exe {
    if (($args -join ' ') -ne 'winhttp show proxy') { throw 'The following command was not found.' }
    (Read-Setting 'machine.winhttp_proxy') -split "`n"
}

function netsh { netsh.exe @args }
