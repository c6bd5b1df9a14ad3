# Names, ports and other servers, as the machine sees them. Nothing is really asked.

# The commands of the engine that functions below stand before.
$script:engine = @{}
foreach ($name in 'New-Object', 'Get-Date', 'Get-ChildItem') { $script:engine[$name] = Get-Command -Name $name -CommandType Cmdlet }

function Resolve-DnsName {
    [CmdletBinding()]
    param([Parameter(Mandatory = $true, Position = 0)][string]$Name, [Parameter(Position = 1)][string]$Type, [switch]$QuickTimeout)
    if (Invoke-Rule 'network.resolves' @('name', $Name)) {
        [PSCustomObject]@{ Name = $Name; Type = 'A'; TTL = 300; Section = 'Answer'; IPAddress = '192.0.2.10' }
    } else {
        Write-Error -Message "$Name : DNS name does not exist" -Category ResourceUnavailable -ErrorId 'DNS_ERROR_RCODE_NAME_ERROR' -TargetObject $Name
    }
}

function Test-NetConnection {
    [CmdletBinding()]
    param([Parameter(Position = 0)][string]$ComputerName = 'internetbeacon.msedge.net', [int]$Port, [string]$InformationLevel)
    $opens = [bool](Invoke-Rule 'network.opens' @('name', $ComputerName, 'port', $Port))
    if (-not $opens) { Write-Warning "TCP connect to ($ComputerName : $Port) failed" }
    if ($InformationLevel -eq 'Quiet') { return $opens }
    [PSCustomObject]@{ ComputerName = $ComputerName; RemotePort = $Port; TcpTestSucceeded = $opens }
}

# An answer of HTTP, or the error that .NET throws: with the response, or with the reason for none.
function Invoke-WebRequest {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true, Position = 0)][Uri]$Uri,
        [string]$Method, [switch]$UseBasicParsing, [switch]$UseDefaultCredentials, [int]$TimeoutSec
    )
    $answer = [string](Invoke-Rule 'network.web' @('address', [string]$Uri))
    if ($answer -eq '200') { return [PSCustomObject]@{ StatusCode = 200; StatusDescription = 'OK' } }
    $problem = New-Object Net.WebException "The request was aborted: $answer"
    if ($answer -match '^\d+$') {
        Add-Member -InputObject $problem -MemberType NoteProperty -Name Response -Value ([PSCustomObject]@{ StatusCode = [int]$answer }) -Force
    } else { $problem = New-Object Net.WebException("The request was aborted: $answer", [Net.WebExceptionStatus]$answer) }
    throw $problem
}

function New-ShownCertificate($Row) {
    $names = @(foreach ($name in $Row['names']) { [PSCustomObject]@{ Unicode = $name } })
    [PSCustomObject]@{
        Thumbprint = $Row['thumbprint']; Subject = $Row['subject']; Issuer = $Row['issuer']
        NotBefore = [DateTime]::Parse($Row['not_before'], [Globalization.CultureInfo]::InvariantCulture)
        NotAfter = [DateTime]::Parse($Row['not_after'], [Globalization.CultureInfo]::InvariantCulture)
        HasPrivateKey = [bool]$Row['has_private_key']; DnsNameList = $names
    }
}

# The certificate stores of the machine; every other path goes to the command of the engine.
function Get-ChildItem {
    [CmdletBinding(DefaultParameterSetName = 'Path')]
    param(
        [Parameter(Position = 0, ParameterSetName = 'Path')][string[]]$Path,
        [Parameter(Mandatory = $true, ParameterSetName = 'LiteralPath')][string[]]$LiteralPath,
        [Parameter(Position = 1)][string]$Filter,
        [string[]]$Include, [string[]]$Exclude, [switch]$Recurse, [switch]$Force, [switch]$Name, [switch]$File, [switch]$Directory
    )
    $first = [string](@($Path) + @($LiteralPath) | Where-Object { $_ } | Select-Object -First 1)
    if ($first -notmatch '^Cert:[\\/]LocalMachine[\\/]\w+$') { return & $script:engine['Get-ChildItem'] @PSBoundParameters }
    $store = ($first -split '[\\/]')[-1]
    foreach ($row in Read-Setting 'machine.certificates') { if ($row['store'] -eq $store) { New-ShownCertificate $row } }
}

# A connection with TLS, as far as a certificate is looked at; every other type is the engine's.
function New-Object {
    [CmdletBinding(DefaultParameterSetName = 'Net')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ParameterSetName = 'Net')][string]$TypeName,
        [Parameter(Position = 1, ParameterSetName = 'Net')][Alias('Args')][object[]]$ArgumentList,
        [Parameter(Mandatory = $true, ParameterSetName = 'Com')][string]$ComObject,
        [switch]$Strict,
        [Collections.IDictionary]$Property
    )
    if ($TypeName -eq 'Net.Sockets.TcpClient') {
        $made = New-Module -AsCustomObject {
            $script:certificate = $null
            function ConnectAsync { New-Module -AsCustomObject { function Wait { $true } ; Export-ModuleMember -Function Wait } }
            function GetStream { $null }
            function Close { }
            Export-ModuleMember -Function ConnectAsync, GetStream, Close
        }
        return $made
    }
    if ($TypeName -eq 'Net.Security.SslStream') {
        $made = [PSCustomObject]@{ RemoteCertificate = $null }
        Add-Member -InputObject $made -MemberType ScriptMethod -Name AuthenticateAsClient -Value {
            $row = Invoke-Rule 'network.certificate' @('name', [string]$args[0])
            if ($null -eq $row) { throw (New-Object IO.IOException 'The handshake failed due to an unexpected packet format.') }
            $this.RemoteCertificate = New-ShownCertificate $row
        }
        return $made
    }
    if ($TypeName -eq 'Security.Cryptography.X509Certificates.X509Certificate2' -and $ArgumentList.Count -eq 1 -and $ArgumentList[0] -is [PSCustomObject]) {
        return $ArgumentList[0]
    }
    $made = & $script:engine['New-Object'] @PSBoundParameters
    return , $made
}

# Permissions of a folder, as rules with SIDs.
function Get-Acl {
    [CmdletBinding()]
    param([Parameter(Position = 0)][string]$Path, [string]$LiteralPath)
    $rules = @(foreach ($right in Read-Setting 'machine.content_rights') {
        [PSCustomObject]@{ IdentityReference = $right[0]; FileSystemRights = [int]$right[1]; AccessControlType = $right[2] }
    })
    $acl = [PSCustomObject]@{ Access = $rules }
    Add-Member -InputObject $acl -MemberType ScriptMethod -Name GetAccessRules -Value { return , $this.Access }
    return $acl
}

# The machine's clock can be wrong.
function Get-Date {
    [CmdletBinding()]
    param([Parameter(Position = 0)][DateTime]$Date, [string]$Format)
    $made = & $script:engine['Get-Date'] @PSBoundParameters
    if ($PSBoundParameters.Count -gt 0) { return $made }
    return $made.AddSeconds([int](Read-Setting 'machine.clock_offset_seconds'))
}
