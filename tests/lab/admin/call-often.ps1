for ($i = 0; $i -lt 2000; $i++) { [void]$wsus.GetUpdateCount() }
