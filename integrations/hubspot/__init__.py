"""HubSpot: contacts that were made, changed, merged or deleted. The webhook carries ids only; the contact is fetched."""
