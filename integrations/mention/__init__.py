"""mention.com: what the web and the networks say about the organisation, by way of Zapier."""
