"""The mapping language, pure: document, paths, steps, compile, explain."""
