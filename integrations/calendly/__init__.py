"""Calendly: bookings, reschedulings, cancellations and routing forms, signed."""
