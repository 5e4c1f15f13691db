"""TikTok: leads as raw as they come, and direct messages to the business account."""
