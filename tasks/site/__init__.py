"""The site file: the settings of one side of one site."""
