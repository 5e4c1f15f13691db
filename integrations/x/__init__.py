"""X: what people say to, about and with the organisation's accounts, by the X Activity API."""
