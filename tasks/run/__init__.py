"""Resources that one run of a command has open, its report, and its end."""
