"""The work: modules here are thin Prefect tasks, packages are domain nouns without Prefect."""
