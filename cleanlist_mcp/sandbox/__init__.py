"""The embedded sandbox: a fake Cleanlist API with a memory, for demos, tests and any API client.

Nothing is imported here, so that a server without `--sandbox` pays nothing for it. Start at `app` (routes, and the
`endpoints` behind them), `state` (the world: what is remembered, and what tests arrange), `unkindness` (switches) or
`serve` (loopback HTTP). `directory` has the people and companies, `magic_words` the words that choose an outcome.
"""
