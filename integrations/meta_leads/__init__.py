"""Meta Lead Ads: leads from instant forms on Facebook and Instagram."""
