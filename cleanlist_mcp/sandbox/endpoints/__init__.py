"""What answers each call of the API, by subject; `app.ENDPOINTS` is the table of them."""
