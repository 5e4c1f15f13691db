"""The history of the schema: numbered revisions, and how Alembic runs them."""
