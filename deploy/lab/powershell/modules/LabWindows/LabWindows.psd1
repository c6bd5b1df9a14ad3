@{
    RootModule = 'LabWindows.psm1'
    ModuleVersion = '1.0'
    GUID = '3f5a0f0e-51a5-4b1c-9a38-1d5c5b8f7a10'
    Description = 'Commands of Windows that scripts for WSUS call, for the simulated server.'
    FunctionsToExport = @(
        'Get-Service', 'Start-Service', 'Stop-Service', 'Restart-Service', 'Get-CimInstance', 'Invoke-CimMethod',
        # topics/account.ps1
        'Get-ExecutionPolicy', 'whoami.exe',
        # topics/event-log.ps1
        'Get-WinEvent', 'Get-EventLog',
        # topics/iis.ps1
        'iisreset.exe', 'iisreset', 'Get-Website', 'Get-WebBinding', 'Get-WebVirtualDirectory',
        'Get-WebConfigurationProperty', 'Get-WebAppPoolState', 'Start-WebAppPool',
        # topics/network.ps1
        'Resolve-DnsName', 'Test-NetConnection', 'Invoke-WebRequest', 'Get-ChildItem', 'New-Object', 'Get-Acl', 'Get-Date',
        # topics/registry.ps1
        'Test-Path', 'Get-ItemProperty', 'New-Item', 'New-ItemProperty', 'Remove-ItemProperty', 'netsh.exe', 'netsh'
    )
    CmdletsToExport = @()
    VariablesToExport = @()
    AliasesToExport = @()
}
