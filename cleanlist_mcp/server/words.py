"""The words of a service: sentences that differ if the server runs elsewhere, and somebody else looks after it. Pure.

Texts are written for a server on the user's own machine. Over HTTP the first words of each pair become the second; with
a sign-in the key too is that of whoever runs the service.
"""

import re
from collections.abc import Iterable

_QUOTED = r'("[^"]*")'
_OPERATOR = "Ask the user to ask whoever runs this service"

OF_A_SERVICE: tuple[tuple[str, str], ...] = (
    ("Ask the user to restart the client that started this server", f"{_OPERATOR} to restart it"),
    (
        "Ask the user to update cleanlist-mcp and to restart the client",
        f"{_OPERATOR} to update cleanlist-mcp",
    ),
    ("Ask the user to close all clients that use cleanlist-mcp, to move", f"{_OPERATOR} to stop it, to move"),
    ("and to start the clients again", "and to start it again"),
    ("Ask the user to check the disk", f"{_OPERATOR} to check the disk"),
    ("Ask the user to run `cleanlist-mcp doctor`", f"{_OPERATOR} to run `cleanlist-mcp doctor`"),
    ("Ask the user to put the file itself", f"{_OPERATOR} to put the file itself"),
    ("ask the user which program", "ask the user to ask whoever runs this service which program"),
    ("Ask the user: Check the network, or run", f"{_OPERATOR} to check the network, or to run"),
    ("Ask the user: Check CLEANLIST_BASE_URL, or run", f"{_OPERATOR} to check CLEANLIST_BASE_URL, or to run"),
    ("Ask the user: Check the machine's clock.", f"{_OPERATOR} to check its clock."),
    ("Ask the user: Correct or remove the variables", f"{_OPERATOR} to correct or remove the variables"),
    (
        "Only they can raise CLEANLIST_DAILY_LIMIT, in the client's configuration",
        "Only whoever runs this service can raise CLEANLIST_DAILY_LIMIT",
    ),
    (
        "they set CLEANLIST_CONFIRM to auto in the client's configuration",
        "whoever runs this service sets CLEANLIST_CONFIRM to auto",
    ),
    (
        "only the user can set CLEANLIST_CONFIRM=never in its configuration",
        "only whoever runs this service can set CLEANLIST_CONFIRM=never",
    ),
    ("only the user can raise it", "only whoever runs this service can raise it"),
    (
        "only they can unset CLEANLIST_READ_ONLY in the client's configuration",
        "only whoever runs this service can unset CLEANLIST_READ_ONLY",
    ),
    (
        "they can set CLEANLIST_CARDS=never in the client's configuration",
        "whoever runs this service can set CLEANLIST_CARDS=never",
    ),
    ("the setting Sandbox (CLEANLIST_SANDBOX=true) serves", "a service started with --sandbox serves"),
    ("in the user's file of people who", "in this service's file of people who"),
    ("take them out of the file that", "whoever runs this service can take them out of the file that"),
    ("Ask the user: Correct the file that", f"{_OPERATOR} to correct the file that"),
    ("files are read only if the user sets CLEANLIST_CSV_DIR", "this service reads no files"),
    ("files are saved only if the user sets CLEANLIST_CSV_DIR", "this service saves no files"),
    ("this machine", "this service"),
    ("This machine", "This service"),
)
"""Pairs of words, in the order in which they are looked for."""


OF_A_SIGN_IN: tuple[tuple[str, str], ...] = (
    (
        "Ask the user: Check that all of the key was copied into the client's configuration",
        f"{_OPERATOR} to check that all of the key was copied into CLEANLIST_API_KEY",
    ),
    ("Ask the user: Create a key with that permission", f"{_OPERATOR} to create a key with that permission"),
    (
        "Ask the user: Choose one of Cleanlist's paid plans",
        f"{_OPERATOR} to choose one of Cleanlist's paid plans",
    ),
    (
        "Ask the user: Buy credits at portal.cleanlist.ai, or choose fewer rows or the cheapest scope, partial.",
        "Ask the user to choose fewer rows or the cheapest scope, partial, or to ask whoever runs this service to buy "
        "credits.",
    ),
    ("a key belongs in the client's configuration alone", "a key belongs in no call"),
    ("The key works for", "This service's key works for"),
    (
        "ask the user to create a key with the missing",
        "ask the user to ask whoever runs this service for a key with the missing",
    ),
    ("they can buy credits, or choose", "they can ask whoever runs this service to buy credits, or choose"),
    ("from this machine with this key yet", "from this service by this user yet"),
    ("from here with this API key in", "from here by this user in"),
    (
        "This is the first run with this API key on this machine: people who were enriched with another key are",
        "This is this user's first run on this service: people who were enriched by others are",
    ),
    ("the user finds it at portal.cleanlist.ai", "whoever runs this service finds it at portal.cleanlist.ai"),
    (
        "the user makes one at portal.cleanlist.ai",
        "whoever runs this service makes one at portal.cleanlist.ai",
    ),
    (
        "people can be added to the list at portal.cleanlist.ai, or enriched one by one",
        "people can be enriched one by one, or whoever runs this service adds them to the list at portal.cleanlist.ai",
    ),
    (
        "the list can be exported at portal.cleanlist.ai",
        "whoever runs this service can export the list at portal.cleanlist.ai",
    ),
    (
        "people and companies can be searched at portal.cleanlist.ai",
        "whoever runs this service can search people and companies at portal.cleanlist.ai",
    ),
)
"""Pairs for a service with a sign-in, where people have no key; they are looked for first."""


def of_a_service(text: str, *, signs_in: bool = False) -> str:
    """Return a text of ours in the words of a service; with `signs_in`, of one whose people have no key.

    What stands in quotation marks is somebody's name, and stays as it is.
    """
    pairs = (*(OF_A_SIGN_IN if signs_in else ()), *OF_A_SERVICE)
    return "".join(
        piece if piece.startswith('"') else _reworded(piece, pairs) for piece in re.split(_QUOTED, text)
    )


def _reworded(text: str, pairs: Iterable[tuple[str, str]]) -> str:
    for own, service in pairs:
        if own in text:
            text = text.replace(own, service)
    return text
