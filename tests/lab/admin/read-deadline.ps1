$scope = New-Object Microsoft.UpdateServices.Administration.UpdateScope
$first = @($wsus.GetUpdateApprovals($scope) | Where-Object { $_.Deadline.Year -lt 9999 })[0]
"$($first.Deadline.ToString('s'))Z $($first.Deadline.Kind)"
