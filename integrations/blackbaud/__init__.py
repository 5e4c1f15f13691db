"""Blackbaud SKY API (Raiser's Edge NXT): constituents that were added, changed or deleted, fetched by their number."""
