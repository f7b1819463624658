"""The answers of the tools, pure: facts in, sentences out."""
