"""The HTTP service: many callers, each with a key of their own, over Streamable HTTP in both protocol eras."""
