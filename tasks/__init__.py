"""Steps and domain packages: modules here are Prefect tasks, packages do not know Prefect."""
