$when = New-Object DateTime(2044, 2, 29, 23, 59, 58, [DateTimeKind]::Utc)
$action = [Microsoft.UpdateServices.Administration.UpdateApprovalAction]::Install
$made = $free[0].Approve($action, $groups[1], $when)
$again = $wsus.GetUpdateApproval($made.Id)
$again.Deadline.ToString('s'); $again.Deadline -eq $when
$again.GetComputerTargetGroup().Id -eq $groups[1].Id; $again.GetUpdate().Title -eq $free[0].Title
$none = $free[0].Approve('Install', $groups[2]); $none.Deadline -eq [DateTime]::MaxValue
$optional = $free[1].ApproveForOptionalInstall($groups[1]); $optional.IsOptional
$made.Delete(); $none.Delete(); $free[0].Refresh(); $free[0].IsApproved; $free[0].State
