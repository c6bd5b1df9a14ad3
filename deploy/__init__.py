"""What runs the product: set-up, the embedded Prefect server, the lab."""
