"""Tally: the answers to a form, signed where a signing secret is set."""
