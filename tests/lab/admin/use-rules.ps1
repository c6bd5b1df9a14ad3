$default = $wsus.GetInstallApprovalRules() | Where-Object { $_.Name -eq 'Default Automatic Approval Rule' }
"$($default.Enabled) $(($default.GetUpdateClassifications() | ForEach-Object { $_.Title }) -join ', ') $($default.GetComputerTargetGroups()[0].Name)"
$rule = $wsus.CreateInstallApprovalRule('Definitions')
$classes = New-Object Microsoft.UpdateServices.Administration.UpdateClassificationCollection
[void]$classes.Add(($wsus.GetUpdateClassifications() | Where-Object { $_.Title -eq 'Definition Updates' }))
$rule.SetUpdateClassifications($classes)
# The company stands for all its products.
$companies = New-Object Microsoft.UpdateServices.Administration.UpdateCategoryCollection
$companies.AddRange($wsus.GetRootUpdateCategories()); $rule.SetCategories($companies)
$targets = New-Object Microsoft.UpdateServices.Administration.ComputerTargetGroupCollection
[void]$targets.Add($groups[0]); $rule.SetComputerTargetGroups($targets)
$rule.Enabled = $true; $rule.Save()
$again = $wsus.GetInstallApprovalRules() | Where-Object { $_.Name -eq 'Definitions' }
"$($again.Name) $($again.Enabled) $($again.GetUpdateClassifications()[0].Title) $($again.GetComputerTargetGroups()[0].Id -eq $groups[0].Id)"
$approved = $again.ApplyRule()
$wrong = 0
foreach ($id in $approved) { if ($wsus.GetUpdate($id).UpdateClassificationTitle -ne 'Definition Updates') { $wrong++ } }
"$($approved.Count -gt 0) $wrong $($again.ApplyRule().Count)"
$wsus.DeleteInstallApprovalRule($again.Id); $wsus.GetInstallApprovalRules().Count
