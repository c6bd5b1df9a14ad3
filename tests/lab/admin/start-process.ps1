param([string]$Python, [string]$Mark)
$line = '"{0}" -c "import pathlib,sys,time; time.sleep(1); pathlib.Path(sys.argv[1]).write_text(sys.argv[2])" "{1}" "two words"' -f $Python, $Mark
$made = Invoke-CimMethod -ClassName Win32_Process -MethodName Create -Arguments @{ CommandLine = $line; CurrentDirectory = '/' }
"$($made.ReturnValue) $($made.ProcessId -gt 0)"
(Invoke-CimMethod Win32_Process -MethodName Create -Arguments @{ CommandLine = '/no/such/program' }).ReturnValue
