# The Application event log with the events of WSUS, newest first, and of the System log those of WAS.

function Get-WinEvent {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true, Position = 0, ParameterSetName = 'Filter')][Collections.IDictionary]$FilterHashtable,
        [Parameter(Mandatory = $true, Position = 0, ParameterSetName = 'Log')][string]$LogName,
        [long]$MaxEvents = [long]::MaxValue
    )
    $source = 'Windows Server Update Services'
    $filter = @{ LogName = $LogName }
    if ($null -ne $FilterHashtable) { $filter = $FilterHashtable }
    # Through a pipeline the numbers would be wrapped, and the pipe takes plain values.
    $levels = New-Object Collections.Generic.List[object]
    $ids = New-Object Collections.Generic.List[object]
    foreach ($level in $filter['Level']) { if ($null -ne $level) { $levels.Add([int]$level) } }
    foreach ($id in $filter['Id']) { if ($null -ne $id) { $ids.Add([int]$id) } }
    $rows = @()
    if ($filter['LogName'] -eq 'Application' -and @($null, $source) -contains $filter['ProviderName']) {
        $rows = @(Read-Rows 'machine.events' @('levels', $levels.ToArray(), 'ids', $ids.ToArray()))
    } elseif ($filter['LogName'] -eq 'System' -and @($null, 'Microsoft-Windows-WAS') -contains $filter['ProviderName']) {
        $rows = @(Read-Rows 'machine.pool_events' @('ids', $ids.ToArray()))
    }
    $count = 0
    if ($rows.Count -gt 0) {
        foreach ($row in $rows) {
            $time = [DateTime]::Parse($row.time, [Globalization.CultureInfo]::InvariantCulture)
            if ($null -ne $filter['StartTime'] -and $time -lt $filter['StartTime']) { continue }
            if ($null -ne $filter['EndTime'] -and $time -gt $filter['EndTime']) { continue }
            if ($count -ge $MaxEvents) { break }
            $count++
            [PSCustomObject]@{
                TimeCreated = $time; Id = $row.event_id; ProviderName = $row.source; LogName = $filter['LogName']
                Level = $row.level; LevelDisplayName = $row.type; Message = $row.text
            }
        }
    }
    if ($count -eq 0) {
        Write-Error -Message 'No events were found that match the specified selection criteria.' -Category ObjectNotFound -ErrorId 'NoMatchingEventsFound'
    }
}

# The classic command of Windows PowerShell 5.1 for the same log.
function Get-EventLog {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true, Position = 0)][string]$LogName,
        [Parameter(Position = 1)][long[]]$InstanceId,
        [string[]]$Source,
        [ValidateSet('Error', 'Information', 'FailureAudit', 'SuccessAudit', 'Warning')][string[]]$EntryType,
        [DateTime]$After = [DateTime]::MinValue,
        [DateTime]$Before = [DateTime]::MaxValue,
        [string]$Message = '*',
        [int]$Newest = [int]::MaxValue
    )
    $filter = @{ LogName = $LogName; StartTime = $After; EndTime = $Before }
    if ($null -ne $InstanceId) { $filter['Id'] = $InstanceId }
    $count = 0
    foreach ($event_ in @(Get-WinEvent -FilterHashtable $filter -ErrorAction SilentlyContinue)) {
        $type = [string]$event_.LevelDisplayName
        if ($null -ne $Source -and $Source -notcontains $event_.ProviderName) { continue }
        if ($null -ne $EntryType -and $EntryType -notcontains $type) { continue }
        if ($event_.Message -notlike $Message) { continue }
        if ($count -ge $Newest) { break }
        $count++
        [PSCustomObject]@{
            TimeGenerated = $event_.TimeCreated; TimeWritten = $event_.TimeCreated; EventID = $event_.Id
            InstanceId = [long]$event_.Id; EntryType = $type; Source = $event_.ProviderName; Message = $event_.Message
        }
    }
    if ($count -eq 0) { Write-Error -Message 'No matches found' -Category ObjectNotFound -ErrorId 'GetEventLogNoEntriesFound' }
}
