"""The routes under /3.0, by what they are about."""
