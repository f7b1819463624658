"""`cleanlist-mcp team-secret`: the secret for laptops, made from that of the team's service."""

import sys
from collections.abc import Mapping

from cleanlist_mcp.secret_keys import SecretKeys, WrongSecret


def main(environment: Mapping[str, str]) -> int:
    """Print what `CLEANLIST_SECRET_KEYS` is to be on a laptop; return the command's status.

    With it a laptop shares the team's journal. It can make no sessions or approvals of the team's service.
    """
    try:
        keys = SecretKeys.read(environment.get("CLEANLIST_SECRET_KEYS", ""))
    except WrongSecret as exc:
        _complain(f"CLEANLIST_SECRET_KEYS {exc}. Set it to the secrets of the team's service.")
        return 2
    if not keys.is_whole:
        _complain(
            "CLEANLIST_SECRET_KEYS is that of a laptop already. Set it to the secrets of the team's service."
        )
        return 2
    sys.stdout.write(f"{keys.for_laptops}\n")
    return 0


def _complain(line: str) -> None:
    sys.stderr.write(f"cleanlist-mcp: {line}\n")
