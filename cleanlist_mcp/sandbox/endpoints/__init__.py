"""The answers to the calls of the API, by subject; `app.ENDPOINTS` is the table of them."""
