"""Team sign-in: people of one issuer, known by the tokens that it signs."""
