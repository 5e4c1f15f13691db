"""Jotform: submissions as its unsigned webhook sends them, known by the key in the URL and confirmed on demand."""
