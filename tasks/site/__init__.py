"""The site file: what one side of one site is told about itself."""
