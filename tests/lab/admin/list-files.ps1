$bundle = $free | Where-Object { $_.GetRelatedUpdates('UpdatesBundledByThisUpdate').Count } | Select-Object -First 1
$own = $bundle.GetInstallableItems()
"$($own.Count) $($own[0].Files.Count)"
$child = $own[0].GetInstallableItems()[0]
$file = $child.Files | Where-Object { $_.Type -eq 'SelfContained' } | Select-Object -First 1
$digest = [BitConverter]::ToString($file.Hash).Replace('-', '')
"$($file.Hash.Length) $($file.AdditionalHash.Length) $($file.FileUri.AbsolutePath.EndsWith($digest + [IO.Path]::GetExtension($file.Name)))"
"$($file.TotalBytes -gt 0) $($file.OriginUri.Host)"
