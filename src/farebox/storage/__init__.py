"""PostgreSQL: embedded or external, its schema, its change feed and its pools."""
