"""The people who are meant: names, addresses and profiles in normal form, and when two of them are one person. Pure."""
