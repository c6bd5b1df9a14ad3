# The account that scripts run as, and what group policy lets it run.

function Get-ExecutionPolicy {
    [CmdletBinding()]
    param([Parameter(Position = 0)][string]$Scope, [switch]$List)
    if ($Scope -eq 'MachinePolicy') { return [string](Read-Setting 'machine.execution_policy') }
    if ($Scope) { return 'Undefined' }
    return 'Bypass'
}

# whoami.exe /groups /fo csv /nh: the SIDs that tell an administrator whose rights are in force.
function whoami.exe {
    $isAdministrator = Read-Setting 'machine.is_administrator'
    if ($null -eq $isAdministrator) { throw 'The term ''whoami.exe'' is not recognized.' }
    '"Everyone","Well-known group","S-1-1-0","Mandatory group, Enabled by default, Enabled group"'
    if ($isAdministrator) {
        '"BUILTIN\Administrators","Alias","S-1-5-32-544","Mandatory group, Enabled by default, Enabled group, Group owner"'
        '"Mandatory Label\High Mandatory Level","Label","S-1-16-12288",""'
    } else { '"Mandatory Label\Medium Mandatory Level","Label","S-1-16-8192",""' }
}
