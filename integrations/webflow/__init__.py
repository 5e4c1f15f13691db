"""Webflow: form submissions, signed where the webhook was made with an API key, else known by the key in the URL."""
