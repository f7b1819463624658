"""Runs, quotes and imports of this place: the intent before a request, its outcome after."""
