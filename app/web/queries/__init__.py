"""What pages read: plain queries that answer frozen dataclasses, never rows."""
