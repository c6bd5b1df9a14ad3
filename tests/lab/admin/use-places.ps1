Add-Type -Path "$env:ProgramFiles\Update Services\Api\Microsoft.UpdateServices.Administration.dll"
[Microsoft.UpdateServices.Administration.AdminProxy]::GetUpdateServer($env:computername, $false, 8530).Name
(Get-WsusServer -Name $env:ComputerName -PortNumber 8530).PortNumber
@($env:temp, $env:Temp, $env:TEMP | Where-Object { Test-Path $_ }).Count
& "$env:ProgramFiles\Update Services\Tools\WsusUtil.exe" checkhealth
$LASTEXITCODE
