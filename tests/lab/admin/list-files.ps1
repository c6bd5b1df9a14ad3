$bundle = $free | Where-Object { $_.GetRelatedUpdates('UpdatesBundledByThisUpdate').Count } | Select-Object -First 1
$items = $bundle.GetInstallableItems()
"$($items.Count -eq $bundle.GetRelatedUpdates('UpdatesBundledByThisUpdate').Count) $($items[0].Id.UpdateId -eq $bundle.Id.UpdateId)"
# As scripts list them everywhere, whatever is a bundle and what is not.
$files = $bundle.GetInstallableItems().Files
$file = $files | Where-Object { $_.Type -eq 'SelfContained' } | Select-Object -First 1
$digest = [BitConverter]::ToString($file.Hash).Replace('-', '')
"$($file.Hash.Length) $($file.AdditionalHash.Length) $($file.FileUri.AbsolutePath.EndsWith($digest + [IO.Path]::GetExtension($file.Name)))"
"$($file.TotalBytes -gt 0) $($file.OriginUri.Host)"
$bundle.Size -eq ($files | Measure-Object -Property TotalBytes -Sum).Sum
"$($bundle.GetSupportedUpdateLanguages()) $($items[0].Languages)"
