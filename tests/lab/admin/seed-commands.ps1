# Commands of an administrator's hand, as guides to synchronisation failures print them.
Import-Module UpdateServices -ErrorAction Stop
$server = Get-WsusServer -ErrorAction Stop
$config = $server.GetConfiguration()
$shown = [pscustomobject]@{
SyncFromMicrosoftUpdate = $config.SyncFromMicrosoftUpdate
IsReplicaServer = $config.IsReplicaServer
MUUrl = $config.MUUrl
RedirectorChangeNumber = $config.RedirectorChangeNumber
UpstreamWsusServerName = $config.UpstreamWsusServerName
UpstreamWsusServerPortNumber = $config.UpstreamWsusServerPortNumber
UpstreamWsusServerUseSsl = $config.UpstreamWsusServerUseSsl
UseProxy = $config.UseProxy
ProxyName = $config.ProxyName
ProxyServerPort = $config.ProxyServerPort
AnonymousProxyAccess = $config.AnonymousProxyAccess
HasProxyPassword = $config.HasProxyPassword
UseSeparateProxyForSsl = $config.UseSeparateProxyForSsl
SslProxyName = $config.SslProxyName
SslProxyServerPort = $config.SslProxyServerPort
}
($shown.PSObject.Properties | ForEach-Object { "$($_.Value)" }) -join '|'
(Test-NetConnection sws.update.microsoft.com -Port 443 -WarningAction SilentlyContinue).TcpTestSucceeded
@(Resolve-DnsName download.windowsupdate.com).Count
try { Resolve-DnsName sws.update.microsoft.com -ErrorAction Stop | Out-Null; 'resolved' } catch { 'not resolved' }
(netsh winhttp show proxy) -join ' '
$newest = @($server.GetSubscription().GetSynchronizationHistory())[0]
"$($newest.Result) $($newest.Error)"
$found = Get-WinEvent -FilterHashtable @{ LogName = 'Application'; ProviderName = 'Windows Server Update Services'; Id = 10021, 10022, 364, 386 } -ErrorAction SilentlyContinue
($found | ForEach-Object { $_.Id } | Sort-Object -Unique) -join ' '
$classic = Get-EventLog -LogName Application -Source 'Windows Server Update Services' -InstanceId 10021, 10022, 364, 386 -Newest 100
($classic | ForEach-Object { $_.EventID } | Sort-Object -Unique) -join ' '
$setup = Get-ItemProperty 'HKLM:\SOFTWARE\Microsoft\Update Services\Server\Setup'
(Test-Path (Join-Path $setup.ContentDir 'WsusContent')).ToString() + ' ' + (Test-Path (Join-Path $setup.TargetDir 'LogFiles')).ToString()
# The repair of the endpoint, and strong cryptography for the .NET Framework.
$config.MUUrl = "https://sws.update.microsoft.com"
$config.RedirectorChangeNumber = 4002
$config.Save()
iisreset | Out-Null
Restart-Service WsusService
$registryPath = "HKLM:\Software\Microsoft\.NETFramework\v4.0.30319"
if (!(Test-Path $registryPath)) {
New-Item -Path $registryPath -Force | Out-Null
}
New-ItemProperty `
-Path $registryPath `
-Name SchUseStrongCrypto `
-Value 1 `
-PropertyType DWord `
-Force | Out-Null
Restart-Service WsusService, w3svc
$config = (Get-WsusServer).GetConfiguration()
"$($config.MUUrl) $($config.RedirectorChangeNumber) $((Get-ItemProperty $registryPath).SchUseStrongCrypto)"
"$((Get-Service WsusService).Status) $((Get-Service w3svc).Status)"
