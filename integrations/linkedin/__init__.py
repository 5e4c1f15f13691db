"""LinkedIn: leads of lead forms, fetched by their number, and what people say to the organisation's page."""
