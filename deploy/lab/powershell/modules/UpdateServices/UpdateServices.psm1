# The WSUS cmdlets over the typed API, with the parameters and the objects of the real ones. A
# WsusUpdate has its IUpdate in .Update, a WsusClassification its classification in .Classification,
# and a WsusProduct its category in .Product.

$namespace = 'Microsoft.UpdateServices.Administration'
# The four classifications of -Classification; only All includes the others.
$classes = @{
    Critical = 'e6cf1350-c01b-414d-a61f-263d14d133b4'
    Security = '0fa1201d-4330-4fa8-8ae9-b877473b6441'
}

function Get-LocalServer($Server) {
    if ($null -ne $Server) { return $Server }
    return [Microsoft.UpdateServices.Administration.AdminProxy]::GetUpdateServer()
}

function Get-WsusServer {
    [CmdletBinding()]
    param(
        [Parameter(Position = 0)][string]$Name,
        [switch]$UseSsl,
        [int]$PortNumber
    )
    if (-not $Name) { return Get-LocalServer $null }
    if (-not $PortNumber) { throw 'With -Name, -PortNumber is needed.' }
    return [Microsoft.UpdateServices.Administration.AdminProxy]::GetUpdateServer($Name, [bool]$UseSsl, $PortNumber)
}

# The titles of the updates that an update supersedes, or that supersede it. Without any, a real
# WsusUpdate has the text None, and scripts compare with it.
function Get-RelatedTitle($Update, [bool]$Any, [string]$Relationship) {
    $titles = New-Object Collections.Specialized.StringCollection
    if ($Any) {
        foreach ($related in $Update.GetRelatedUpdates($Relationship)) { [void]$titles.Add($related.Title) }
    }
    if ($titles.Count -eq 0) { [void]$titles.Add('None') }
    return , $titles
}

function ConvertTo-WsusUpdate($Update) {
    $text = 'NotApproved'
    if ($Update.IsDeclined) { $text = 'Declined' }
    elseif ($Update.IsApproved) { $text = 'Install' }
    $terms = 'This update does not have Microsoft Software License Terms.'
    if ($Update.HasLicenseAgreement) { $terms = 'This update has Microsoft Software License Terms.' }
    $shown = [PSCustomObject]@{
        Update = $Update
        Classification = $Update.UpdateClassificationTitle
        InstalledOrNotApplicablePercentage = 100
        Approved = $text
        ComputersWithErrors = 0
        ComputersNeedingThisUpdate = 0
        ComputersInstalledOrNotApplicable = 0
        ComputersWithNoStatus = 0
        MsrcNumbers = $Update.SecurityBulletins
        Removable = $Update.UninstallationBehavior.IsSupported
        RestartBehavior = $Update.InstallationBehavior.RebootBehavior
        MayRequestUserInput = $Update.InstallationBehavior.CanRequestUserInput
        MustBeInstalledExclusively = $Update.InstallationBehavior.Impact -eq 'RequiresExclusiveHandling'
        LicenseAgreement = $terms
        Products = $Update.ProductTitles
        UpdatesSupersedingThisUpdate = Get-RelatedTitle $Update $Update.IsSuperseded 'UpdatesThatSupersedeThisUpdate'
        UpdatesSupersededByThisUpdate = Get-RelatedTitle $Update $Update.HasSupersededUpdates 'UpdatesSupersededByThisUpdate'
        LanguagesSupported = $Update.GetSupportedUpdateLanguages()
        UpdateId = $Update.Id.UpdateId.ToString()
    }
    $shown.PSObject.TypeNames.Insert(0, 'Microsoft.UpdateServices.Commands.WsusUpdate')
    return $shown
}

function New-UpdateScope([string]$Classification, [string]$Approval, $Server) {
    $scope = New-Object "$namespace.UpdateScope"
    $states = @{
        Approved = 'LatestRevisionApproved, HasStaleUpdateApprovals'
        Unapproved = 'NotApproved'
        AnyExceptDeclined = 'LatestRevisionApproved, HasStaleUpdateApprovals, NotApproved'
        Declined = 'Declined'
    }
    $scope.ApprovedStates = $states[$Approval]
    if ($Classification -eq 'WSUS') { $scope.IsWsusInfrastructureUpdate = $true }
    elseif ($Classification -ne 'All') {
        [void]$scope.Classifications.Add($Server.GetUpdateClassification([Guid]$classes[$Classification]))
    }
    return $scope
}

# -Status is a state of computers. No computer reports to the lab, so only Any and NoStatus find
# updates.
function Get-WsusUpdate {
    [CmdletBinding(DefaultParameterSetName = 'Scope')]
    param(
        [Parameter(ValueFromPipeline = $true)]$UpdateServer,
        [Parameter(Mandatory = $true, ParameterSetName = 'Id')][Guid]$UpdateId,
        [Parameter(ParameterSetName = 'Id')][int]$RevisionNumber,
        [Parameter(ParameterSetName = 'Scope')][ValidateSet('All', 'Critical', 'Security', 'WSUS')][string]$Classification = 'All',
        [Parameter(ParameterSetName = 'Scope')][ValidateSet('Approved', 'Unapproved', 'AnyExceptDeclined', 'Declined')][string]$Approval = 'Unapproved',
        [Parameter(ParameterSetName = 'Scope')][ValidateSet('Needed', 'FailedOrNeeded', 'InstalledOrNotApplicableOrNoStatus', 'Failed', 'InstalledOrNotApplicable', 'NoStatus', 'Any')][string]$Status = 'Any'
    )
    process {
        $server = Get-LocalServer $UpdateServer
        if ($PSCmdlet.ParameterSetName -eq 'Id') {
            $id = New-Object "$namespace.UpdateRevisionId"($UpdateId, $RevisionNumber)
            return ConvertTo-WsusUpdate $server.GetUpdate($id)
        }
        if ('Any', 'NoStatus', 'InstalledOrNotApplicableOrNoStatus' -notcontains $Status) { return }
        foreach ($update in $server.GetUpdates((New-UpdateScope $Classification $Approval $server))) {
            ConvertTo-WsusUpdate $update
        }
    }
}

function Get-TargetGroup($Server, [string]$Name) {
    $group = $Server.GetComputerTargetGroups() | Where-Object { $_.Name -eq $Name } | Select-Object -First 1
    if ($null -eq $group) { throw "The computer group $Name could not be found." }
    return $group
}

# This accepts no licence terms: public scripts call AcceptLicenseAgreement first.
function Approve-WsusUpdate {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param(
        [Parameter(Mandatory = $true, ValueFromPipeline = $true)]$Update,
        [Parameter(Mandatory = $true)][Microsoft.UpdateServices.Administration.UpdateApprovalAction]$Action,
        [Parameter(Mandatory = $true)][string]$TargetGroupName
    )
    process {
        $item = $Update.Update
        $group = Get-TargetGroup $item.UpdateServer $TargetGroupName
        if (-not $PSCmdlet.ShouldProcess($item.Title, "$Action for $TargetGroupName")) { return }
        [void]$item.Approve($Action, $group)
    }
}

function Deny-WsusUpdate {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param([Parameter(Mandatory = $true, ValueFromPipeline = $true)]$Update)
    process {
        if ($PSCmdlet.ShouldProcess($Update.Update.Title, 'Decline')) { $Update.Update.Decline() }
    }
}

function Get-WsusClassification {
    [CmdletBinding()]
    param([Parameter(ValueFromPipeline = $true)]$UpdateServer)
    process {
        foreach ($classification in (Get-LocalServer $UpdateServer).GetUpdateClassifications()) {
            $shown = [PSCustomObject]@{ Classification = $classification }
            $shown.PSObject.TypeNames.Insert(0, 'Microsoft.UpdateServices.Commands.WsusClassification')
            $shown
        }
    }
}

function Get-WsusProduct {
    [CmdletBinding()]
    param(
        [Parameter(ValueFromPipeline = $true)]$UpdateServer,
        [string]$TitleIncludes
    )
    process {
        foreach ($category in (Get-LocalServer $UpdateServer).GetUpdateCategories()) {
            if ($TitleIncludes -and $category.Title.IndexOf($TitleIncludes, [StringComparison]::OrdinalIgnoreCase) -lt 0) { continue }
            $shown = [PSCustomObject]@{ Product = $category }
            $shown.PSObject.TypeNames.Insert(0, 'Microsoft.UpdateServices.Commands.WsusProduct')
            $shown
        }
    }
}

function Get-WsusComputer {
    [CmdletBinding(DefaultParameterSetName = 'All')]
    param(
        [Parameter(ValueFromPipeline = $true)]$UpdateServer,
        [Parameter(ParameterSetName = 'All')][switch]$All,
        [Parameter(ParameterSetName = 'Scoped')][string]$NameIncludes,
        [Parameter(ParameterSetName = 'Scoped')][Collections.Specialized.StringCollection]$ComputerTargetGroups,
        [Parameter(ParameterSetName = 'Scoped')][switch]$IncludeSubgroups,
        [Parameter(ParameterSetName = 'Scoped')][ValidateSet('Needed', 'FailedOrNeeded', 'InstalledOrNotApplicableOrNoStatus', 'Failed', 'InstalledOrNotApplicable', 'NoStatus', 'Any')][string]$ComputerUpdateStatus,
        [Parameter(ParameterSetName = 'Scoped')][Microsoft.UpdateServices.Administration.UpdateInstallationStates[]]$ExcludedInstallationStates,
        [Parameter(ParameterSetName = 'Scoped')][Microsoft.UpdateServices.Administration.UpdateInstallationStates[]]$IncludedInstallationStates,
        [Parameter(ParameterSetName = 'Scoped')][DateTime]$FromLastSyncTime,
        [Parameter(ParameterSetName = 'Scoped')][DateTime]$ToLastSyncTime,
        [Parameter(ParameterSetName = 'Scoped')][DateTime]$FromLastReportedStatusTime,
        [Parameter(ParameterSetName = 'Scoped')][DateTime]$ToLastReportedStatusTime,
        [Parameter(ParameterSetName = 'Scoped')][switch]$IncludeDownstreamComputerTargets,
        [Parameter(ParameterSetName = 'Scoped')][Collections.Specialized.StringCollection]$RequestedTargetGroupNames
    )
    # No computer reports to a server of the lab, so there is none to choose.
    process { foreach ($computer in (Get-LocalServer $UpdateServer).GetComputerTargets()) { $computer } }
}

function Add-WsusComputer {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param(
        [Parameter(Mandatory = $true, ValueFromPipeline = $true)]$Computer,
        [Parameter(Mandatory = $true)][string]$TargetGroupName
    )
    process {
        $group = Get-TargetGroup (Get-LocalServer $null) $TargetGroupName
        if ($PSCmdlet.ShouldProcess($Computer, "Add to $TargetGroupName")) { $group.AddComputerTarget($Computer) }
    }
}

function Invoke-WsusServerCleanup {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param(
        [Parameter(ValueFromPipeline = $true)]$UpdateServer,
        [switch]$CleanupObsoleteComputers,
        [switch]$CleanupObsoleteUpdates,
        [switch]$CleanupUnneededContentFiles,
        [switch]$CompressUpdates,
        [switch]$DeclineExpiredUpdates,
        [switch]$DeclineSupersededUpdates
    )
    process {
        $scope = New-Object "$namespace.CleanupScope"
        foreach ($name in 'CleanupObsoleteComputers', 'CleanupObsoleteUpdates', 'CleanupUnneededContentFiles', 'CompressUpdates', 'DeclineExpiredUpdates', 'DeclineSupersededUpdates') {
            $scope.$name = $PSBoundParameters.ContainsKey($name) -and $PSBoundParameters[$name]
        }
        if (-not $PSCmdlet.ShouldProcess('WSUS', 'Clean up')) { return }
        $done = (Get-LocalServer $UpdateServer).GetCleanupManager().PerformCleanup($scope)
        if ($DeclineSupersededUpdates) { 'Obsolete Updates Declined:' + $done.SupersededUpdatesDeclined }
        if ($DeclineExpiredUpdates) { 'Expired Updates Declined:' + $done.ExpiredUpdatesDeclined }
        if ($CleanupObsoleteUpdates) { 'Obsolete Updates Deleted:' + $done.ObsoleteUpdatesDeleted }
        if ($CompressUpdates) { 'Updates Compressed:' + $done.UpdatesCompressed }
        if ($CleanupObsoleteComputers) { 'Obsolete Computers Deleted:' + $done.ObsoleteComputersDeleted }
        if ($CleanupUnneededContentFiles) { 'Diskspace Freed:' + $done.DiskSpaceFreed }
    }
}

# Adds an element to the subscription or removes it, for Set-WsusProduct and Set-WsusClassification.
function Set-Subscribed($Server, [string]$Kind, $Element, [bool]$Disable) {
    $subscription = $Server.GetSubscription()
    $kept = New-Object "$namespace.$($Kind)Collection"
    $get, $set = "Get$($Kind -replace 'y$', 'ie')s", "Set$($Kind -replace 'y$', 'ie')s"
    foreach ($present in $subscription.$get()) {
        if ($present.Id -ne $Element.Id) { [void]$kept.Add($present) }
    }
    if (-not $Disable) { [void]$kept.Add($Element) }
    $subscription.$set($kept)
    $subscription.Save()
}

function Set-WsusProduct {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param([Parameter(Mandatory = $true, ValueFromPipeline = $true)]$Product, [switch]$Disable)
    process {
        if ($PSCmdlet.ShouldProcess($Product.Product.Title)) {
            Set-Subscribed (Get-LocalServer $null) 'UpdateCategory' $Product.Product $Disable
        }
    }
}

function Set-WsusClassification {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param([Parameter(Mandatory = $true, ValueFromPipeline = $true)]$Classification, [switch]$Disable)
    process {
        if ($PSCmdlet.ShouldProcess($Classification.Classification.Title)) {
            Set-Subscribed (Get-LocalServer $null) 'UpdateClassification' $Classification.Classification $Disable
        }
    }
}

function Set-WsusServerSynchronization {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param(
        [Parameter(ValueFromPipeline = $true)]$UpdateServer,
        [Parameter(Mandatory = $true, ParameterSetName = 'Microsoft')][switch]$SyncFromMU,
        [Parameter(Mandatory = $true, ParameterSetName = 'Upstream')][string]$UssServerName,
        [Parameter(ParameterSetName = 'Upstream')][int]$PortNumber = 8530,
        [Parameter(ParameterSetName = 'Upstream')][switch]$UseSsl,
        [Parameter(ParameterSetName = 'Upstream')][switch]$Replica
    )
    process {
        $config = (Get-LocalServer $UpdateServer).GetConfiguration()
        if (-not $PSCmdlet.ShouldProcess('WSUS', 'Change where updates come from')) { return }
        $config.SyncFromMicrosoftUpdate = [bool]$SyncFromMU
        $config.IsReplicaServer = [bool]$Replica
        if ($UssServerName) {
            $config.UpstreamWsusServerName = $UssServerName
            $config.UpstreamWsusServerPortNumber = $PortNumber
            $config.UpstreamWsusServerUseSsl = [bool]$UseSsl
        }
        $config.Save()
    }
}

Export-ModuleMember -Function Get-WsusServer, Get-WsusUpdate, Approve-WsusUpdate, Deny-WsusUpdate, Get-WsusClassification, Get-WsusProduct, Get-WsusComputer, Add-WsusComputer, Invoke-WsusServerCleanup, Set-WsusProduct, Set-WsusClassification, Set-WsusServerSynchronization
