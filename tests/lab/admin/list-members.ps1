$assembly = [Microsoft.UpdateServices.Administration.AdminProxy].Assembly
foreach ($type in $assembly.GetExportedTypes()) {
    $members = if ($type.IsEnum) {
        foreach ($name in [Enum]::GetNames($type)) { "$name=" + [int][Enum]::Parse($type, $name) }
    } else {
        foreach ($member in $type.GetMembers([Reflection.BindingFlags]'Public, Instance, Static, DeclaredOnly')) {
            $hidden = $member -is [Reflection.MethodInfo] -and $member.IsSpecialName
            if (-not $hidden -and $member -isnot [Reflection.ConstructorInfo]) { $member.Name }
        }
    }
    $above = ($type.GetInterfaces() | ForEach-Object { $_.Name }) -join ','
    "$($type.FullName)|$above|$(@($members | Select-Object -Unique) -join ',')"
}
