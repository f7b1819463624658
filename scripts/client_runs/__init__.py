"""Programs and tables that `scripts/clients` and `scripts/integrations` share."""
