$shown = @(Get-WsusUpdate -Classification All -Approval AnyExceptDeclined -Status Any)
$replaced = @($shown | Where-Object { $_.UpdatesSupersedingThisUpdate -ne 'None' })
$counted = @($shown | Where-Object { $_.Update.IsSuperseded }).Count
"$($counted -gt 0) $($replaced.Count -eq $counted) $(@($shown | Where-Object UpdatesSupersedingThisUpdate -NotLike 'None').Count -eq $counted)"
$replacing = @($shown | Where-Object { $_.UpdatesSupersededByThisUpdate -ne 'None' })
"$($replacing.Count -gt 0) $($replaced[0].UpdatesSupersedingThisUpdate[0] -eq $replaced[0].Update.GetRelatedUpdates('UpdatesThatSupersedeThisUpdate')[0].Title)"
@($replacing | Where-Object { -not $_.Update.HasSupersededUpdates }).Count -gt 0
$free = @($shown | Where-Object { -not $_.Update.IsSuperseded })[0]
"$($free.UpdatesSupersedingThisUpdate) $($free.MustBeInstalledExclusively)"
