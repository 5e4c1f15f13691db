"""The named steps of the mapping language, one module a family."""
