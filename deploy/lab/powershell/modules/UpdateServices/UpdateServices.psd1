@{
    RootModule = 'UpdateServices.psm1'
    ModuleVersion = '2.0.0.0'
    GUID = 'b1f6c3d0-7a7c-4f0e-8c55-0c7d3b0e6a21'
    Description = 'The WSUS cmdlets, for the simulated server.'
    FunctionsToExport = @('Get-WsusServer', 'Get-WsusUpdate', 'Approve-WsusUpdate', 'Deny-WsusUpdate', 'Get-WsusClassification', 'Get-WsusProduct', 'Get-WsusComputer', 'Add-WsusComputer', 'Invoke-WsusServerCleanup', 'Set-WsusProduct', 'Set-WsusClassification', 'Set-WsusServerSynchronization')
    CmdletsToExport = @()
    VariablesToExport = @()
    AliasesToExport = @()
}
