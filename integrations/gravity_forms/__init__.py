"""Gravity Forms (WordPress): entries sent by its Webhooks add-on, known by a token in a header."""
