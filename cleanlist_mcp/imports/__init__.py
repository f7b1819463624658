"""Files and rows of people, on their way into a list. Pure but for one file: shared files are read here."""
