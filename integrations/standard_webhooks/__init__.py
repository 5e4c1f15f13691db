"""Signed JSON in the form of Standard Webhooks 1.0.0, which many services speak (Svix is the same scheme)."""
