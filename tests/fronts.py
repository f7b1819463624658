"""Servers whose front can be looked at: what it has given, and what it gives while nothing is loaded."""

LEARNING = """
import os, pathlib
from cleanlist_mcp.server import front
folder = pathlib.Path(os.environ["CLEANLIST_STATE_DIR"])
answer, has_given = front._answer, front.Front.has_given
def noting(number, result):
    if result:
        (folder / "given").touch()
    return answer(number, result)
def learning(self, number, line):
    given = has_given(self, number, line)
    self.keep(folder)
    return given
front._answer, front.Front.has_given = noting, learning
from cleanlist_mcp.cli import main as cli
cli.main()
"""
"""A server that keeps each first answer at once, also in the sandbox, and makes a file if its front has given any."""

HELD = LEARNING.replace(
    "cli.main()",
    """
import select
serve = cli._serve
def held(*arguments):
    gate, poll = os.open(folder / "gate", os.O_RDONLY | os.O_NONBLOCK), select.poll()
    poll.register(gate, select.POLLIN)
    while not poll.poll(50):  # in short waits: a signal just before a long one would be heard after it
        pass
    serve(*arguments)
cli._serve = held
cli.main()
""",
)
"""The same one, which loads nothing until somebody has written to the named pipe `gate` in its state folder."""

BROKEN = HELD.replace("    serve(*arguments)", "    import cleanlist_mcp.no_such_part")
"""The same one, of which a part is missing."""
