"""Google Ads: leads of lead form assets, known by the key that travels in the body."""
