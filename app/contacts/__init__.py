"""The customer database: one person once, with provenance and consent."""
