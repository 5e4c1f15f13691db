"""What admins configure: sources, secrets and mapping versions."""
