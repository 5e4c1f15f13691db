"""Forms of the organisation's own website, and anything that can post JSON to a secret address."""
