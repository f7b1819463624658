"""Files and rows of people, on their way into a list. Pure but for three files: `shared_folder` reads
the user's files, `saving` writes one, and `exclusion_file` reads the people who must not be contacted.
"""
