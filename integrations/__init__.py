"""One folder a platform; slug = folder = URL = preset."""
