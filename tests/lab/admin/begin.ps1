# What every script here begins with: the server, and updates that nobody has decided about.
[Console]::OutputEncoding = New-Object Text.UTF8Encoding $false
[void][reflection.assembly]::LoadWithPartialName('Microsoft.UpdateServices.Administration')
$wsus = [Microsoft.UpdateServices.Administration.AdminProxy]::GetUpdateServer()
$free = @($wsus.GetUpdates() | Where-Object {
    -not $_.IsApproved -and -not $_.IsDeclined -and -not $_.HasLicenseAgreement -and
    $_.PublicationState -eq 'Published'
})
$groups = @($wsus.GetComputerTargetGroups() | Where-Object { $null -ne $_.GetParentTargetGroup() })
$all = $wsus.GetComputerTargetGroup([Microsoft.UpdateServices.Administration.ComputerTargetGroupId]::AllComputers)

# The type of the error that an act ends with.
function Refused([scriptblock]$Act) {
    try { $null = & $Act; 'allowed' } catch { $_.Exception.GetBaseException().GetType().Name }
}
