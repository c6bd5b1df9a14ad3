# Reads every decision on a WSUS server: target groups, approvals, declines, licence terms.
# Changes nothing. Uses scoped calls only; never asks for all updates.
#
# Reads   {"kind":"settings"}
# Writes  {"kind":"group","id","path":["All Computers",...],"computers"}  one per target group
#         {"kind":"approval","update_id","revision","group":[...],"action","deadline","optional",
#          "administrator","created"}                                  blocks and stale ones too
#         {"kind":"update","update_id","revision","title","state","license_required",
#          "license_accepted","superseded","expired","latest","local"} one per approved revision
#         {"kind":"decline","update_id","revision"}                    one per declined update
#         {"kind":"unresolved","what":"group"|"approval"|"update","id","update_id",
#          "revision","action","reason"}                               what WSUS refuses to tell of
#         {"kind":"end"}
# The built-in groups are known by their fixed ids; their localised names never appear.
# One group, approval or update that WSUS does not tell of never ends the run: it has an unresolved
# line with what WSUS said of it (id: of the group; null for the others), and all else is read.
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)][string]$InputFile,
    [Parameter(Mandatory = $true)][string]$OutputFile
)
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
trap { [Console]::Error.WriteLine([string]$_ + $_.InvocationInfo.PositionMessage); exit 1 }

$AllComputers = 'a0a08746-4dbe-4a37-9adf-9e7652c0b421'
$UnassignedComputers = 'b73ca6ed-5727-47f3-84de-015e03f6a88a'
$DownstreamServers = 'd374f42a-9be2-4163-a0fa-3c86a401b7a7'
# A call that returns more updates than this is cut into windows of arrival time: large answers
# run into the server's time limit.
$LargestAnswer = 2000

function Write-Line($Value) {
    $script:writer.WriteLine((ConvertTo-Json -InputObject $Value -Compress -Depth 4))
}

# The API's times are UTC, but some carry no kind: ToUniversalTime would shift those by the zone.
function Format-Time([DateTime]$Time) {
    if ($Time.Year -ge 9999 -or $Time.Year -le 1) { return $null }
    if ($Time.Kind -eq [DateTimeKind]::Local) { $Time = $Time.ToUniversalTime() }
    return $Time.ToString('yyyy-MM-ddTHH:mm:ssZ', [Globalization.CultureInfo]::InvariantCulture)
}

# The exception at the bottom: PowerShell wraps what WSUS throws.
function Write-Unresolved([string]$What, $Id, $UpdateId, $Revision, $Action, $Failure) {
    $cause = $Failure.Exception
    while ($null -ne $cause.InnerException) { $cause = $cause.InnerException }
    Write-Line ([ordered]@{
        kind = 'unresolved'; what = $What; id = $Id; update_id = $UpdateId; revision = $Revision
        action = $Action; reason = [string]$cause.Message
    })
}

# Fills $paths (group id to path) for one group and, first, for its parents.
function Add-GroupPath($Group) {
    $id = $Group.Id.ToString()
    if ($script:paths.ContainsKey($id)) { return }
    $parent = $Group.GetParentTargetGroup()
    Add-GroupPath $parent
    $path = New-Object Collections.Generic.List[string]
    $path.AddRange($script:paths[$parent.Id.ToString()])
    $path.Add([string]$Group.Name)
    $script:paths[$id] = $path.ToArray()
}

function Write-Group($Group) {
    Add-GroupPath $Group
    $id = $Group.Id.ToString()
    $members = New-Object Microsoft.UpdateServices.Administration.ComputerTargetScope
    [void]$members.ComputerTargetGroups.Add($Group)
    $computers = [int]$script:server.GetComputerTargetCount($members)
    Write-Line ([ordered]@{ kind = 'group'; id = $id; path = $script:paths[$id]; computers = $computers })
}

# Licence terms are accepted once the server no longer asks for them. A server that cannot read
# its own copy of the terms counts as not accepted: it would refuse an approval.
function Test-LicenseAccepted($Update) {
    if (-not $Update.HasLicenseAgreement) { return $false }
    if (-not $Update.RequiresLicenseAgreementAcceptance) { return $true }
    try { return [bool]$Update.GetLicenseAgreement().IsAccepted } catch { return $false }
}

function Write-Update($Update) {
    $key = $Update.Id.UpdateId.ToString() + ' ' + $Update.Id.RevisionNumber
    if (-not $script:wanted.Remove($key)) { return }
    Write-Line ([ordered]@{
        kind = 'update'
        update_id = $Update.Id.UpdateId.ToString()
        revision = [int]$Update.Id.RevisionNumber
        title = [string]$Update.Title
        state = $Update.State.ToString()
        license_required = [bool]$Update.HasLicenseAgreement
        license_accepted = [bool](Test-LicenseAccepted $Update)
        superseded = [bool]$Update.IsSuperseded
        expired = ($Update.PublicationState.ToString() -eq 'Expired')
        latest = [bool]$Update.IsLatestRevision
        local = ($Update.UpdateSource.ToString() -eq 'Other')
    })
}

function Write-Decline($Update) {
    $id = $Update.Id.UpdateId.ToString()
    if (-not $script:declined.Add($id)) { return }
    Write-Line ([ordered]@{ kind = 'decline'; update_id = $id; revision = [int]$Update.Id.RevisionNumber })
}

function New-Scope([string]$States, [DateTime]$From, [DateTime]$To) {
    $scope = New-Object Microsoft.UpdateServices.Administration.UpdateScope
    $scope.ApprovedStates = [Microsoft.UpdateServices.Administration.ApprovedStates]$States
    if ($From -ne [DateTime]::MinValue) { $scope.FromArrivalDate = $From }
    if ($To -ne [DateTime]::MaxValue) { $scope.ToArrivalDate = $To }
    return $scope
}

# Hands every update of a state to $Action; windows are halved until each is small enough. What
# lies before and after any plausible time has windows of its own, so that nothing is left out.
function Read-Window([string]$States, [DateTime]$From, [DateTime]$To, [string]$Action) {
    $scope = New-Scope $States $From $To
    $count = $script:server.GetUpdateCount($scope)
    if ($count -eq 0) { return }
    $first = New-Object DateTime(2000, 1, 1, 0, 0, 0, ([DateTimeKind]::Utc))
    $last = [DateTime]::UtcNow.AddDays(1)
    $noStart = $From -eq [DateTime]::MinValue
    $noEnd = $To -eq [DateTime]::MaxValue
    if ($count -gt $script:LargestAnswer -and $noStart -and $noEnd) {
        Read-Window $States $From $first $Action
        Read-Window $States $first $last $Action
        Read-Window $States $last $To $Action
    } elseif ($count -gt $script:LargestAnswer -and -not $noStart -and -not $noEnd -and ($To - $From).TotalMinutes -ge 1) {
        $middle = $From.AddTicks([long](($To - $From).Ticks / 2))
        Read-Window $States $From $middle $Action
        Read-Window $States $middle $To $Action
    } else {
        foreach ($update in $script:server.GetUpdates($scope)) { & $Action $update }
    }
}

$writer = New-Object IO.StreamWriter($OutputFile, $false, (New-Object Text.UTF8Encoding $false))
$writer.NewLine = "`n"
[void][Reflection.Assembly]::LoadWithPartialName('Microsoft.UpdateServices.Administration')
$server = [Microsoft.UpdateServices.Administration.AdminProxy]::GetUpdateServer()

$paths = @{}
$paths[$AllComputers] = [string[]]@('All Computers')
$paths[$UnassignedComputers] = [string[]]@('All Computers', 'Unassigned Computers')
$paths[$DownstreamServers] = [string[]]@('All Computers', 'Downstream Servers')
foreach ($group in $server.GetComputerTargetGroups()) {
    try { Write-Group $group } catch { Write-Unresolved 'group' $group.Id.ToString() $null $null $null $_ }
}

# Of all states, because an update that is only blocked for a group counts as not approved.
# The answer holds approvals alone, so it stays small.
$wanted = New-Object Collections.Generic.HashSet[string]
$scope = New-Scope 'Any' ([DateTime]::MinValue) ([DateTime]::MaxValue)
foreach ($approval in $server.GetUpdateApprovals($scope)) {
    $revision = $approval.UpdateId
    $updateId = $revision.UpdateId.ToString()
    $groupId = $approval.ComputerTargetGroupId.ToString()
    $action = $approval.Action.ToString()
    try {
        if (-not $paths.ContainsKey($groupId)) { Write-Group $approval.GetComputerTargetGroup() }
    } catch {
        Write-Unresolved 'approval' $groupId $updateId ([int]$revision.RevisionNumber) $action $_
        continue
    }
    [void]$wanted.Add($updateId + ' ' + $revision.RevisionNumber)
    Write-Line ([ordered]@{
        kind = 'approval'
        update_id = $updateId
        revision = [int]$revision.RevisionNumber
        group = $paths[$groupId]
        action = $action
        deadline = Format-Time $approval.Deadline
        optional = [bool]$approval.IsOptional
        administrator = [string]$approval.AdministratorName
        created = Format-Time $approval.CreationDate
    })
}

if ($wanted.Count -gt 0) {
    Read-Window 'LatestRevisionApproved, HasStaleUpdateApprovals' ([DateTime]::MinValue) ([DateTime]::MaxValue) 'Write-Update'
}
# The scoped call answers with the newest revisions; older ones and blocks are few.
foreach ($key in @($wanted)) {
    $parts = $key.Split(' ')
    $id = New-Object Microsoft.UpdateServices.Administration.UpdateRevisionId(([Guid]$parts[0]), ([int]$parts[1]))
    try { Write-Update $server.GetUpdate($id) }
    catch { Write-Unresolved 'update' $null $parts[0] ([int]$parts[1]) $null $_ }
}

$declined = New-Object Collections.Generic.HashSet[string]
Read-Window 'Declined' ([DateTime]::MinValue) ([DateTime]::MaxValue) 'Write-Decline'

Write-Line ([ordered]@{ kind = 'end' })
$writer.Close()
exit 0
