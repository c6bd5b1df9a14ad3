$expired = $wsus.GetUpdates() | Where-Object { $_.PublicationState -eq 'Expired' } | Select-Object -First 1
Refused { $expired.Approve('Install', $groups[0]) }
Refused { $expired.Approve('Uninstall', $groups[0]) }
Refused { $free[0].ExpirePackage() }
Refused { $free[0].Approve('NotApproved', $all) }
Refused { $free[0].Approve('All', $groups[0]) }
Refused { $free[0].Approve('Install', $null) }
Refused { $wsus.GetUpdateApproval([Guid]::NewGuid()) }
Refused { $wsus.CreateComputerTargetGroup('a/b') }
Refused { $wsus.CreateComputerTargetGroup('') }
Refused { $wsus.CreateComputerTargetGroup('x' * 257) }
Refused { $wsus.CreateComputerTargetGroup($groups[0].Name, $groups[0].GetParentTargetGroup()) }
Refused { $all.Delete() }
Refused { $wsus.GetUpdates($null) }
Refused { [Microsoft.UpdateServices.Administration.AdminProxy]::GetUpdateServer('elsewhere', $false, 8530) }
try { $wsus.GetUpdate((New-Object Microsoft.UpdateServices.Administration.UpdateRevisionId([Guid]::NewGuid()))) }
catch [Microsoft.UpdateServices.Administration.WsusObjectNotFoundException] { 'caught by type' }
