"""The journal in PostgreSQL: one for all laptops of a team, or for all replicas of a service."""
