"""WhatsApp: messages to a business number, and who wants to be written to there."""
