"""Paid runs: started at most once, watched until they end."""
