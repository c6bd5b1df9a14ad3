"""What people see of a bundle: signers, what it brings, carry card; a second signature."""
