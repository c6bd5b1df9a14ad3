# Carries out a plan on a WSUS server, operation by operation, in the order given.
#
# Reads   {"kind":"settings"}, then operations, each with a number n of its own:
#         {"n","op":"group","path":["All Computers",...]}             make what is missing of a path
#         {"n","op":"accept-license","update_id","revision"}
#         {"n","op":"approve","update_id","revision","group","action","deadline","optional"}
#         {"n","op":"remove","update_id","revision","group","action"} delete that approval
#         {"n","op":"decline"|"undecline"|"resume","update_id","revision"}
# Writes  {"kind":"outcome","n","result":"done"|"already"|"failed","error_type","error"} as each
#         ends, flushed, then {"kind":"end"}. One failure, or one line that cannot be read, never
#         ends the run. What needs a group that could not be made fails with what WSUS said of it.
# What an earlier run left in the output file is kept; the last line of a number counts. The
# server is asked first, always: an operation whose effect is there already is not repeated.
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
$Encoding = New-Object Text.UTF8Encoding $false

function Write-Line($Value) {
    $script:writer.WriteLine((ConvertTo-Json -InputObject $Value -Compress -Depth 4))
}

# The exception at the bottom: PowerShell wraps what WSUS throws.
function Get-Cause($Failure) {
    $cause = $Failure.Exception
    while ($null -ne $cause.InnerException) { $cause = $cause.InnerException }
    return $cause
}

# Keeps the outcomes of an earlier run: a line cut off by a kill goes, and so does its end line.
function Read-EarlierOutcomes {
    $earlier = @{}
    if (-not [IO.File]::Exists($OutputFile)) { return $earlier }
    $part = $OutputFile + '.part'
    $kept = New-Object IO.StreamWriter($part, $false, $Encoding)
    $kept.NewLine = "`n"
    foreach ($line in [IO.File]::ReadAllLines($OutputFile, $Encoding)) {
        try { $outcome = ConvertFrom-Json -InputObject $line } catch { continue }
        if ($null -eq $outcome -or $null -eq $outcome.PSObject.Properties['n'] `
                -or $null -eq $outcome.PSObject.Properties['result']) { continue }
        $earlier[[string]$outcome.n] = [string]$outcome.result
        $kept.WriteLine($line)
    }
    $kept.Close()
    [IO.File]::Replace($part, $OutputFile, [NullString]::Value)
    return $earlier
}

# Groups by path; names are compared as WSUS compares them, without regard to case.
function Get-PathKey($Path) { return ([string]::Join("`n", [string[]]$Path)).ToUpperInvariant() }

function Add-Group($Group) {
    $id = $Group.Id.ToString()
    if ($script:pathOf.ContainsKey($id)) { return }
    if ($id -eq $AllComputers) { $path = [string[]]@('All Computers') }
    elseif ($id -eq $UnassignedComputers) { $path = [string[]]@('All Computers', 'Unassigned Computers') }
    elseif ($id -eq $DownstreamServers) { $path = [string[]]@('All Computers', 'Downstream Servers') }
    else {
        $parent = $Group.GetParentTargetGroup()
        Add-Group $parent
        $path = [string[]]($script:pathOf[$parent.Id.ToString()] + [string]$Group.Name)
    }
    $script:pathOf[$id] = $path
    $script:groups[(Get-PathKey $path)] = $Group
}

function Find-Group($Path) {
    $key = Get-PathKey $Path
    if ($script:groups.ContainsKey($key)) { return $script:groups[$key] }
    $why = ''
    if ($script:refused.ContainsKey($key)) { $why = ': ' + $script:refused[$key] }
    throw ('no target group ' + [string]::Join(' / ', [string[]]$Path) + $why)
}

# What WSUS said of a group is kept: it is said of all that need the group too.
function Invoke-Group($Op) {
    $result = 'already'
    try {
        for ($depth = 2; $depth -le @($Op.path).Length; $depth++) {
            $path = [string[]]@($Op.path)[0..($depth - 1)]
            $key = Get-PathKey $path
            if ($script:groups.ContainsKey($key)) { continue }
            if ($script:refused.ContainsKey($key)) { [void](Find-Group $path) }
            $parent = Find-Group $path[0..($depth - 2)]
            Add-Group $script:server.CreateComputerTargetGroup($path[$depth - 1], $parent)
            $result = 'done'
        }
    } catch {
        $script:refused[(Get-PathKey $Op.path)] = [string](Get-Cause $_).Message
        throw
    }
    return $result
}

function Get-Revision($Op) {
    $id = New-Object Microsoft.UpdateServices.Administration.UpdateRevisionId(([Guid]$Op.update_id), ([int]$Op.revision))
    return $script:server.GetUpdate($id)
}

# A deadline as its exact second in UTC; MaxValue when there is none, as the API has it.
function ConvertTo-Deadline($Text) {
    if ($null -eq $Text) { return [DateTime]::MaxValue }
    $styles = [Globalization.DateTimeStyles]'AssumeUniversal, AdjustToUniversal'
    return [DateTime]::Parse($Text, [Globalization.CultureInfo]::InvariantCulture, $styles)
}

function Test-SameDeadline([DateTime]$One, [DateTime]$Other) {
    if ($One.Year -ge 9999 -or $Other.Year -ge 9999) { return ($One.Year -ge 9999 -and $Other.Year -ge 9999) }
    if ($One.Kind -eq [DateTimeKind]::Local) { $One = $One.ToUniversalTime() }
    return [Math]::Abs(($One - $Other).TotalSeconds) -lt 1
}

# The approvals of one update for one group: one in all but broken databases. What this run does
# is kept in mind, so that a later operation sees it.
function Find-Approvals($Op, $Group) {
    $found = New-Object Collections.ArrayList
    $id = ([string]$Op.update_id).ToLowerInvariant()
    if ($script:approvals.ContainsKey($id)) {
        foreach ($approval in $script:approvals[$id]) {
            if ($approval.ComputerTargetGroupId -eq $Group.Id) { [void]$found.Add($approval) }
        }
    }
    return $found.ToArray()
}

function Add-Approval($Approval) {
    $id = $Approval.UpdateId.UpdateId.ToString()
    if (-not $script:approvals.ContainsKey($id)) { $script:approvals[$id] = New-Object Collections.ArrayList }
    [void]$script:approvals[$id].Add($Approval)
}

function Remove-Approval($Approval) {
    $script:approvals[$Approval.UpdateId.UpdateId.ToString()].Remove($Approval)
}

function Set-Approval($Update, $Group, [string]$Action, [DateTime]$Deadline, [bool]$Optional) {
    if ($Optional) { return $Update.ApproveForOptionalInstall($Group) }
    $action = [Microsoft.UpdateServices.Administration.UpdateApprovalAction]$Action
    if ($Deadline.Year -ge 9999) { return $Update.Approve($action, $Group) }
    return $Update.Approve($action, $Group, $Deadline)
}

# WSUS refuses a second revision for a group, so the old approval has to go first; should the new
# one then fail, the old one is put back.
function Move-Approval($Update, $Old, $Group, $Op, [DateTime]$Deadline) {
    $before = $Old.GetUpdate()
    $action = $Old.Action.ToString()
    $when = $Old.Deadline
    $optional = [bool]$Old.IsOptional
    $Old.Delete()
    Remove-Approval $Old
    try { return Set-Approval $Update $Group $Op.action $Deadline ([bool]$Op.optional) }
    catch {
        $failure = $_
        Add-Approval (Set-Approval $before $Group $action $when $optional)
        throw $failure
    }
}

function Invoke-Approve($Op) {
    $group = Find-Group $Op.group
    $deadline = ConvertTo-Deadline $Op.deadline
    $present = @(Find-Approvals $Op $group)
    foreach ($approval in $present) {
        if ($approval.UpdateId.RevisionNumber -eq [int]$Op.revision -and $approval.Action.ToString() -eq $Op.action `
                -and [bool]$approval.IsOptional -eq [bool]$Op.optional -and (Test-SameDeadline $approval.Deadline $deadline)) {
            return 'already'
        }
    }
    $update = Get-Revision $Op
    $stale = $null
    foreach ($approval in $present) {
        if ($approval.UpdateId.RevisionNumber -ne [int]$Op.revision) { $stale = $approval }
    }
    if ($null -ne $stale) { $made = Move-Approval $update $stale $group $Op $deadline }
    else {
        $made = Set-Approval $update $group $Op.action $deadline ([bool]$Op.optional)
        foreach ($approval in $present) { Remove-Approval $approval }
    }
    Add-Approval $made
    return 'done'
}

function Invoke-Remove($Op) {
    $group = Find-Group $Op.group
    $result = 'already'
    foreach ($approval in @(Find-Approvals $Op $group)) {
        if ($approval.UpdateId.RevisionNumber -ne [int]$Op.revision -or $approval.Action.ToString() -ne $Op.action) {
            throw 'the approval on the server is another one than the plan names'
        }
        $approval.Delete()
        Remove-Approval $approval
        $result = 'done'
    }
    return $result
}

function Invoke-AcceptLicense($Op) {
    $update = Get-Revision $Op
    if (-not $update.HasLicenseAgreement -or -not $update.RequiresLicenseAgreementAcceptance) { return 'already' }
    $accepted = $false
    try { $accepted = [bool]$update.GetLicenseAgreement().IsAccepted } catch { $accepted = $false }
    if ($accepted) { return 'already' }
    $update.AcceptLicenseAgreement()
    return 'done'
}

function Invoke-Decline($Op) {
    $update = Get-Revision $Op
    if ($update.IsDeclined) { return 'already' }
    $update.Decline()
    $script:approvals.Remove(([string]$Op.update_id).ToLowerInvariant())
    return 'done'
}

# WSUS has no call for it: setting an update to not approved takes the decline away. The block
# that this may leave behind is nobody's decision and goes again.
function Invoke-Undecline($Op) {
    $update = Get-Revision $Op
    if (-not $update.IsDeclined) { return 'already' }
    $action = [Microsoft.UpdateServices.Administration.UpdateApprovalAction]'NotApproved'
    $group = $script:server.GetComputerTargetGroup([Guid]$AllComputers)
    try { [void]$update.Approve($action, $group) }
    catch {
        $group = $script:server.GetComputerTargetGroup([Guid]$UnassignedComputers)
        [void]$update.Approve($action, $group)
    }
    $update = Get-Revision $Op
    foreach ($approval in $update.GetUpdateApprovals($group)) {
        if ($approval.Action.ToString() -eq 'NotApproved') { $approval.Delete() }
    }
    if ((Get-Revision $Op).IsDeclined) { throw 'the update is still declined' }
    return 'done'
}

function Invoke-Resume($Op) {
    $update = Get-Revision $Op
    if ($update.State.ToString() -eq 'Ready') { return 'already' }
    $update.ResumeDownload()
    return 'done'
}

# The number stands first in a line, so that one which cannot be read has its outcome too. A line
# without a number is 0, which nothing asks for.
function Get-Number([string]$Line) {
    if ($Line -match '^\s*\{\s*"n"\s*:\s*([0-9]{1,9})\s*[,}]') { return [int]$Matches[1] }
    return 0
}

function Invoke-Operation($Op) {
    switch ([string]$Op.op) {
        'group' { return Invoke-Group $Op }
        'accept-license' { return Invoke-AcceptLicense $Op }
        'approve' { return Invoke-Approve $Op }
        'remove' { return Invoke-Remove $Op }
        'decline' { return Invoke-Decline $Op }
        'undecline' { return Invoke-Undecline $Op }
        'resume' { return Invoke-Resume $Op }
    }
    throw ('no operation of this name: ' + [string]$Op.op)
}

$earlier = Read-EarlierOutcomes
$reader = New-Object IO.StreamReader($InputFile, $Encoding)
$writer = New-Object IO.StreamWriter($OutputFile, $true, $Encoding)
$writer.NewLine = "`n"
$writer.AutoFlush = $true
[void]$reader.ReadLine()

[void][Reflection.Assembly]::LoadWithPartialName('Microsoft.UpdateServices.Administration')
$server = [Microsoft.UpdateServices.Administration.AdminProxy]::GetUpdateServer()
$pathOf = @{}
$groups = @{}
$refused = @{}
foreach ($group in $server.GetComputerTargetGroups()) { Add-Group $group }
$approvals = @{}
$scope = New-Object Microsoft.UpdateServices.Administration.UpdateScope
$scope.ApprovedStates = [Microsoft.UpdateServices.Administration.ApprovedStates]'Any'
foreach ($approval in $server.GetUpdateApprovals($scope)) { Add-Approval $approval }

while ($null -ne ($line = $reader.ReadLine())) {
    if ($line -eq '') { continue }
    $number = Get-Number $line
    $errorType = $null
    $message = $null
    try { $result = [string](Invoke-Operation (ConvertFrom-Json -InputObject $line)) }
    catch {
        $cause = Get-Cause $_
        $result = 'failed'
        $errorType = $cause.GetType().Name
        $message = [string]$cause.Message
    }
    $before = $earlier[[string]$number]
    if ($result -eq 'already' -and ($before -eq 'done' -or $before -eq 'already')) { continue }
    Write-Line ([ordered]@{ kind = 'outcome'; n = $number; result = $result; error_type = $errorType; error = $message })
}
$reader.Close()
Write-Line ([ordered]@{ kind = 'end' })
$writer.Close()
exit 0
