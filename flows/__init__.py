"""Flows of the product, one in each module; a flow reads as the list of its steps."""
