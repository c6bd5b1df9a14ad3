(Get-Service WsusService).Status
try { Start-Service WsusService -ErrorAction Stop } catch { [string]$_ }
(Get-Service WsusService).Status
@(Get-CimInstance Win32_Volume | Where-Object { $_.FreeSpace -gt 4096 }).Count
