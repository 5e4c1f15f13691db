"""The `muster` commands."""
