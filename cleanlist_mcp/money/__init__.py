"""The money rules, pure: what may be spent, and what a repeated call means."""
