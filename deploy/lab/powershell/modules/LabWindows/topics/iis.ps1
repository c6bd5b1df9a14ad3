# Internet Information Services: its restart, the site of WSUS, its directories and pool.

# iisreset.exe stops and starts W3SVC; without an argument that is all that it does.
function iisreset.exe {
    ''
    'Attempting stop...'
    [void](Invoke-Rule 'service.stop' @('name', 'W3SVC'))
    'Internet services successfully stopped'
    'Attempting start...'
    [void](Invoke-Rule 'service.start' @('name', 'W3SVC'))
    'Internet services successfully restarted'
    $global:LASTEXITCODE = 0
}

function iisreset { iisreset.exe @args }

$siteName = 'WSUS Administration'

function Get-Website {
    [CmdletBinding()]
    param([Parameter(Position = 0)][string]$Name = '*')
    $site = [PSCustomObject]@{ Name = $siteName; Id = 1; State = 'Started' }
    if ($site.Name -like $Name) { $site }
}

function Get-WebBinding {
    [CmdletBinding()]
    param([Parameter(Position = 0)][string]$Name, [string]$Protocol = '*')
    if ($Name -and $Name -ne $siteName) { return }
    if ('http' -like $Protocol) {
        [PSCustomObject]@{ protocol = 'http'; bindingInformation = '*:8530:'; certificateHash = '' }
    }
    $bound = Read-Setting 'machine.bound_certificate'
    if ($bound -and 'https' -like $Protocol) {
        [PSCustomObject]@{ protocol = 'https'; bindingInformation = '*:8531:'; certificateHash = $bound }
    }
}

function Get-WebVirtualDirectory {
    [CmdletBinding()]
    param([string]$Site, [Parameter(Position = 0)][string]$Name = '*')
    if ($Site -and $Site -ne $siteName) { return }
    if ('Content' -like $Name) {
        [PSCustomObject]@{ Path = '/Content'; PhysicalPath = [string](Invoke-Rule 'iis.content_path') }
    }
}

# The settings that scripts for WSUS read, by filter and name.
function Get-WebConfigurationProperty {
    [CmdletBinding()]
    param([string[]]$PSPath, [string[]]$Location, [Parameter(Mandatory = $true)][string[]]$Filter, [Parameter(Mandatory = $true)][string[]]$Name)
    $directory = ([string]$Location[0]).Split('/')[-1]
    switch ($Filter[0] + ' ' + $Name[0]) {
        'system.webServer/security/access sslFlags' {
            [string](Read-Setting 'machine.ssl_flags')[$directory]
        }
        'system.webServer/security/authentication/anonymousAuthentication enabled' {
            [PSCustomObject]@{ Name = 'enabled'; Value = [bool](Read-Setting 'machine.content_anonymous') }
        }
        "system.applicationHost/applicationPools/add[@name='WsusPool']/recycling/periodicRestart privateMemory" {
            [PSCustomObject]@{ Name = 'privateMemory'; Value = [long](Read-Setting 'machine.pool_private_memory_kb') }
        }
        'system.webServer/staticContent Collection' {
            foreach ($extension in Read-Setting 'machine.mime_types') { [PSCustomObject]@{ fileExtension = $extension } }
        }
    }
}

function Get-WebAppPoolState {
    [CmdletBinding()]
    param([Parameter(Position = 0)][string]$Name)
    [PSCustomObject]@{ Value = [string](Read-Setting 'machine.pool_state') }
}

function Start-WebAppPool {
    [CmdletBinding()]
    param([Parameter(Position = 0)][string]$Name)
    [void](Invoke-Rule 'machine.write' @('name', 'machine.pool_state', 'value', 'Started'))
}
