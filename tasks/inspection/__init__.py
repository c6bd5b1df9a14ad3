"""A bundle as people see it: signers, what it brings, carry card; a second signature."""
