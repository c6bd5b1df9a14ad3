param([Guid]$Child, [Guid]$Product)
$wsus.GetUpdates().Count; $wsus.GetUpdateCount()
$all = New-Object Microsoft.UpdateServices.Administration.UpdateScope
$wsus.GetUpdates($all).Count
@($wsus.SearchUpdates('KB') | Where-Object { $_.Id.UpdateId -eq $Child }).Count
$key = New-Object Microsoft.UpdateServices.Administration.UpdateRevisionId([Guid]$Child)
$wsus.GetUpdate($key).Id.UpdateId.ToString()
$key = New-Object Microsoft.UpdateServices.Administration.UpdateRevisionId([Guid]$Product)
Refused { $wsus.GetUpdate($key) }; $wsus.GetUpdateCategory($Product).Type.ToString()
