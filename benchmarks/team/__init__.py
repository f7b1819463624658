"""The fourteen promises of a team's service, held against real processes: `python -m benchmarks.team --quick all`.

`report` is a point's table, `wire` the clients, `front` and `relay` what stands between the parts, `database`,
`replicas` and `world` what is started, `ledger` the judge; each other module is one point.
"""
