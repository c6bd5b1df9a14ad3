# The commands of Windows itself that scripts for WSUS use: for the service, the volumes, and
# processes that outlive their session. The rules of the simulated server answer them, and the only
# services are WsusService and W3SVC.

# The pipe is an internal type of the API's assembly, so that no script sees it by accident.
$bridge = [Microsoft.UpdateServices.Administration.AdminProxy].Assembly.GetType('Microsoft.UpdateServices.Internal.BaseApi.Pipe')
$call = $bridge.GetMethod('Call', [Reflection.BindingFlags]'Static, NonPublic')

function Invoke-Rule([string]$Operation, [object[]]$Arguments = @()) {
    # The comma keeps PowerShell from unrolling a list.
    return , $script:call.Invoke($null, [object[]]@($Operation, $Arguments))
}

# Turns rows into objects with the columns as properties.
function Read-Rows([string]$Operation, [object[]]$Arguments = @()) {
    $table = Invoke-Rule $Operation $Arguments
    foreach ($values in $table['rows']) {
        $row = @{}
        for ($i = 0; $i -lt $values.Count; $i++) { $row[$table['columns'][$i]] = $values[$i] }
        $row
    }
}

# Reads a setting of the machine (deploy/lab/rules/machine.py).
function Read-Setting([string]$Name) {
    return (Invoke-Rule 'machine.read' @('name', $Name))['value']
}

function New-Service($Row) {
    $service = New-Object PSObject -Property @{
        Name = $Row.name
        ServiceName = $Row.name
        DisplayName = $Row.display_name
        Status = $Row.status
    }
    $service.PSObject.TypeNames.Insert(0, 'System.ServiceProcess.ServiceController')
    Add-Member -InputObject $service -MemberType ScriptMethod -Name Refresh -Value {
        $this.Status = (Get-Service -Name $this.Name).Status
    }
    Add-Member -InputObject $service -MemberType ScriptMethod -Name Start -Value {
        Start-Service -Name $this.Name -ErrorAction Stop
    }
    Add-Member -InputObject $service -MemberType ScriptMethod -Name Stop -Value {
        Stop-Service -Name $this.Name -ErrorAction Stop
    }
    Add-Member -InputObject $service -MemberType ScriptMethod -Name WaitForStatus -Value {
        param([string]$Status, [TimeSpan]$Timeout = [TimeSpan]::MaxValue)
        $clock = [Diagnostics.Stopwatch]::StartNew()
        while ((Get-Service -Name $this.Name).Status -ne $Status) {
            if ($clock.Elapsed -gt $Timeout) { throw 'Time out has expired and the operation has not been completed.' }
            Start-Sleep -Milliseconds 100
        }
        $this.Refresh()
    }
    return $service
}

function Get-Service {
    [CmdletBinding()]
    param([Parameter(Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)][Alias('ServiceName')][string[]]$Name = @('*'))
    process {
        foreach ($wanted in $Name) {
            $found = @(Read-Rows 'service.read' | Where-Object { $_.name -like $wanted })
            foreach ($row in $found) { New-Service $row }
            if ($found.Count -eq 0 -and $wanted -notmatch '[*?]') {
                Write-Error -Message "Cannot find any service with service name '$wanted'." -Category ObjectNotFound -ErrorId 'NoServiceFoundForGivenName' -TargetObject $wanted
            }
        }
    }
}

function Start-Service {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)][Alias('ServiceName')][string[]]$Name,
        [switch]$PassThru
    )
    process { Set-ServiceState $Name 'service.start' $PassThru }
}

function Stop-Service {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)][Alias('ServiceName')][string[]]$Name,
        [switch]$Force,
        [switch]$PassThru
    )
    process { Set-ServiceState $Name 'service.stop' $PassThru }
}

function Restart-Service {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)][Alias('ServiceName')][string[]]$Name,
        [switch]$Force,
        [switch]$PassThru
    )
    process {
        Set-ServiceState $Name 'service.stop' $false
        Set-ServiceState $Name 'service.start' $PassThru
    }
}

function Set-ServiceState([string[]]$Name, [string]$Operation, [bool]$PassThru) {
    foreach ($wanted in $Name) {
        $service = Get-Service -Name $wanted
        if ($null -eq $service) { continue }
        try { [void](Invoke-Rule $Operation @('name', $service.Name)) }
        catch {
            $cause = $_.Exception
            while ($null -ne $cause.InnerException) { $cause = $cause.InnerException }
            Write-Error -Message $cause.Message -Category OpenError -ErrorId 'StartServiceFailed' -TargetObject $wanted
            continue
        }
        if ($PassThru) { Get-Service -Name $wanted }
    }
}

function Get-CimInstance {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true, Position = 0)][string]$ClassName,
        [string]$Filter,
        [string[]]$Property
    )
    $found = switch ($ClassName) {
        'Win32_Volume' {
            foreach ($row in Read-Rows 'machine.volumes') {
                [PSCustomObject]@{ Name = $row.name; DriveLetter = $null; Label = ''; Capacity = $row.capacity; FreeSpace = $row.free_bytes; FileSystem = $row.file_system; DriveType = 3 }
            }
        }
        'Win32_LogicalDisk' {
            foreach ($row in Read-Rows 'machine.volumes') {
                [PSCustomObject]@{ DeviceID = $row.name; Name = $row.name; Size = $row.capacity; FreeSpace = $row.free_bytes; FileSystem = $row.file_system; DriveType = 3 }
            }
        }
        'Win32_Service' {
            foreach ($row in Read-Rows 'service.read') {
                [PSCustomObject]@{ Name = $row.name; DisplayName = $row.display_name; State = $row.status; StartMode = 'Auto' }
            }
        }
        'Win32_OperatingSystem' {
            [PSCustomObject]@{ Version = [string](Read-Setting 'machine.windows_version') }
        }
        'Win32_Process' {
            foreach ($row in Read-Rows 'machine.processes') {
                # Windows gives the local time of the machine.
                $created = [DateTime]::Parse($row.created, [Globalization.CultureInfo]::InvariantCulture)
                [PSCustomObject]@{ ProcessId = $row.process_id; Name = $row.name; CommandLine = $row.command_line; CreationDate = $created }
            }
        }
        default { throw "Invalid class: the simulated server has no $ClassName." }
    }
    if (-not $Filter) { return $found }
    # The part of WQL that the scripts use: Name = 'value', joined by AND.
    foreach ($part in $Filter -split '\s+and\s+') {
        if ($part -notmatch '^\s*(\w+)\s*=\s*[''"]?([^''"]*)[''"]?\s*$') { throw "Invalid query: $Filter" }
        $name = $Matches[1]
        $value = $Matches[2].Replace('\\', '\')
        $found = @($found | Where-Object { [string]$_.$name -eq $value })
    }
    return $found
}

function Invoke-CimMethod {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true, Position = 0)][string]$ClassName,
        [Parameter(Position = 1)][Collections.IDictionary]$Arguments,
        [Parameter(Mandatory = $true, Position = 2)][string]$MethodName
    )
    if ($ClassName -ne 'Win32_Process' -or $MethodName -ne 'Create') {
        throw "Invalid method: the simulated server has no $ClassName.$MethodName."
    }
    try {
        $id = Invoke-Rule 'machine.create_process' @('command_line', [string]$Arguments['CommandLine'], 'folder', $Arguments['CurrentDirectory'])
        return [PSCustomObject]@{ ProcessId = [int]$id; ReturnValue = 0 }
    } catch { return [PSCustomObject]@{ ProcessId = $null; ReturnValue = 9 } }
}

# The commands of one topic each; the manifest names those that scripts see.
foreach ($topic in Get-ChildItem -Path (Join-Path $PSScriptRoot 'topics') -Filter '*.ps1') { . $topic.FullName }
