$service = Get-Service -Name WsusService
"$($service.Status) $($service.Name) $($service.DisplayName)"
Stop-Service WsusService; (Get-Service WsusService).Status
Start-Service -Name 'WsusService'; $service.Refresh(); $service.Status
Restart-Service WsusService -PassThru | ForEach-Object { $_.Status }
$service.Stop(); (Get-Service Wsus*).Status; $service.Start(); $service.WaitForStatus('Running', '00:00:05'); $service.Status
@(Get-Service -Name NoSuchService -ErrorAction SilentlyContinue).Count
try { Get-Service -Name NoSuchService -ErrorAction Stop } catch { [string]$_ }
(Get-CimInstance -ClassName Win32_Service -Filter "Name='WsusService'").State
$disk = Get-CimInstance Win32_LogicalDisk -Filter "DeviceID = '/'"
"$($disk.FileSystem) $($disk.FreeSpace -gt 4096) $($disk.FreeSpace -le $disk.Size)"
try { Get-CimInstance Win32_Nothing } catch { [string]$_ }
