"""Mailchimp: audiences as a destination, audience webhooks as a source."""
