"""The journal in one SQLite file, which several processes of a machine share."""
