"""Typeform: the answers to a form, signed, and read again from the Responses API where a delivery was lost."""
