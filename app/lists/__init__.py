"""List sync jobs: a file compared with its last snapshot."""
