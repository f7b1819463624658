"""Money rules, pure: prices, quotes, limits, and the decision about a repeated call."""
