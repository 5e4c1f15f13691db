"""What the platforms' words mean."""
