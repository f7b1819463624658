"""The commands: serve, demo, sandbox, doctor, config."""
