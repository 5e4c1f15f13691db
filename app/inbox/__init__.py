"""Inbound durability: deliveries and events, received, claimed and settled."""
