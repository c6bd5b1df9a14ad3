$fields = 'SyncFromMicrosoftUpdate', 'IsReplicaServer', 'MUUrl', 'RedirectorChangeNumber', 'UpstreamWsusServerName',
    'UpstreamWsusServerPortNumber', 'UpstreamWsusServerUseSsl', 'UseProxy', 'ProxyName', 'ProxyServerPort',
    'AnonymousProxyAccess', 'HasProxyPassword', 'UseSeparateProxyForSsl', 'SslProxyName', 'SslProxyServerPort',
    'AllowProxyCredentialsOverNonSsl', 'GetContentFromMU', 'HostBinariesOnMicrosoftUpdate'
function Format-Settings {
    $config = (Get-WsusServer).GetConfiguration()
    ($fields | ForEach-Object { "$($config.$_)" }) -join '|'
}
Format-Settings
$config = (Get-WsusServer).GetConfiguration()
$config.MUUrl = 'https://fe2.update.microsoft.com'; $config.RedirectorChangeNumber = 4000
Format-Settings
$config.SyncFromMicrosoftUpdate = $false; $config.IsReplicaServer = $true
$config.UpstreamWsusServerName = 'wsus0'; $config.UpstreamWsusServerPortNumber = 8531
$config.UpstreamWsusServerUseSsl = $true; $config.UseProxy = $true; $config.ProxyName = 'proxy'
$config.ProxyServerPort = 3128; $config.AnonymousProxyAccess = $false; $config.SetProxyPassword('secret')
$config.UseSeparateProxyForSsl = $true; $config.SslProxyName = 'proxy-ssl'; $config.SslProxyServerPort = 8443
$config.AllowProxyCredentialsOverNonSsl = $true; $config.GetContentFromMU = $true
$config.HostBinariesOnMicrosoftUpdate = $true
$config.Save()
Format-Settings
# The repair of an old endpoint, as administrators are told to write it.
$server = Get-WsusServer
$config = $server.GetConfiguration()
$config.MUUrl = "https://sws.update.microsoft.com"
$config.RedirectorChangeNumber = 4002
$config.Save()
$config = (Get-WsusServer).GetConfiguration()
"$($config.MUUrl) $($config.RedirectorChangeNumber) $($config.RedirectorChangeNumber.GetType().Name)"
