"""Eventbrite: orders and attendees. The webhook is unsigned and carries an address only; the rest is fetched."""
