$group = $groups | Where-Object { $_.Name -ne 'Unassigned Computers' } | Select-Object -First 1
(Get-WsusServer).Name
(Get-WsusServer -Name $env:COMPUTERNAME -PortNumber 8530).PortNumber
@(Get-WsusUpdate -Approval Approved -Status Any).Count -gt 0
$first = Get-WsusUpdate -UpdateServer (Get-WsusServer) -Classification All -Approval Unapproved -Status Any |
    Where-Object { $_.UpdateId -eq $free[0].Id.UpdateId.ToString() }
$first.Update.GetType().FullName
$first | Approve-WsusUpdate -Action Install -TargetGroupName $group.Name
(Get-WsusUpdate -UpdateId $first.UpdateId).Approved
Get-WsusUpdate -UpdateId $first.UpdateId | Deny-WsusUpdate
(Get-WsusUpdate -UpdateId $first.UpdateId -RevisionNumber $first.Update.Id.RevisionNumber).Approved
@(Get-WsusUpdate -Classification Security -Approval AnyExceptDeclined -Status Any |
    Where-Object { $_.Classification -ne 'Security Updates' }).Count
@(Get-WsusUpdate -Approval Unapproved -Status Failed).Count
@(Get-WsusProduct | Where-Object { $_.Product.Title -eq 'Windows 11' }).Count
@(Get-WsusProduct -TitleIncludes 'windows' | Where-Object { $_.Product.Title -notmatch 'windows' }).Count
@(Get-WsusServer | Get-WsusClassification | Where-Object { $_.Classification.Title -eq 'Upgrades' }).Count
@(Get-WsusComputer -All).Count
@(Get-WsusServer | Get-WsusComputer -ToLastSyncTime (Get-Date).AddDays(-30) -ComputerTargetGroups 'All Computers' -IncludeSubgroups -IncludedInstallationStates Failed, NotInstalled).Count
try { Approve-WsusUpdate -Update $first -Action Install -TargetGroupName 'no such group' } catch { [string]$_ }
Get-WsusProduct -TitleIncludes 'Windows 1' | Set-WsusProduct -Disable
Get-WsusProduct | Where-Object { $_.Product.Title -eq 'Windows 11' } | Set-WsusProduct
@((Get-WsusServer).GetSubscription().GetUpdateCategories() | Where-Object { $_.Title -like 'Windows 1*' }).Title
Set-WsusServerSynchronization -UssServerName 'upstream' -PortNumber 8530
(Get-WsusServer).GetConfiguration().UpstreamWsusServerName
Get-WsusComputer -All | Add-WsusComputer -TargetGroupName $group.Name
try { Add-WsusComputer -Computer $null -TargetGroupName $group.Name } catch { 'no computer' }
Refused { $group.AddComputerTarget($null) }
$asking = Get-WsusUpdate -Approval Unapproved -Status Any | Where-Object {
    $_.Update.RequiresLicenseAgreementAcceptance -and $_.Update.PublicationState -eq 'Published'
} | Select-Object -First 1
Refused { $asking | Approve-WsusUpdate -Action Install -TargetGroupName $group.Name -ErrorAction Stop }
$asking.Update.AcceptLicenseAgreement()
$asking | Approve-WsusUpdate -Action Install -TargetGroupName $group.Name
$asking.Update.GetUpdateApprovals().Count
