"""The sources: pure dlt, one folder each. Nothing here imports dagster (a lint rule holds it)."""
