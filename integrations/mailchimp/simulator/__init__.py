"""A faithful local Mailchimp: stateful, over HTTP, for tests, demonstrations and every start without a key."""
