"""What the tools answer, pure: facts in, sentences out."""
