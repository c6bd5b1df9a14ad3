$all.Name
($wsus.GetComputerTargetGroups() | Where-Object { $_.Id -eq [Microsoft.UpdateServices.Administration.ComputerTargetGroupId]::UnassignedComputers }).Name
$made = $wsus.CreateComputerTargetGroup('Büro 本社 🎉'); $wsus.GetComputerTargetGroup($made.Id).Name
$wsus.CreateComputerTargetGroup('Unten', $made).GetParentTargetGroup().Name
$wsus.CreateComputerTargetGroup('Oben', $null).GetParentTargetGroup().Name
$made.GetChildTargetGroups().Count; $made.Delete(); Refused { $wsus.GetComputerTargetGroup($made.Id) }
