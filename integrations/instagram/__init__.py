"""Instagram: comments, mentions, messages and story mentions of a professional account."""
