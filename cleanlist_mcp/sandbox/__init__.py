"""The embedded sandbox: a fake Cleanlist API with a memory, for demos, tests and any API client.

Nothing is imported here, so that a server without `--sandbox` pays nothing for it. Start at `app`
(routes), `state` (what is remembered) or `serve` (loopback HTTP).
"""
