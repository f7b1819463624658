"""The picked rows of a quote as text, as both engines store them."""

import json

from cleanlist_mcp.money.quotes import Part, Quote


def written_part(quote: Quote) -> str | None:
    """Return the picked rows of a quote as they are stored; None for a whole list."""
    part = quote.part
    if part is None:
        return None
    return json.dumps([part.task_id, part.lead_ids, part.is_whole_page])


def part_of(text: str | None) -> Part | None:
    """Return what `written_part` wrote.

    Raises:
        ValueError, TypeError: if the text is anything else.
    """
    if text is None:
        return None
    task_id, lead_ids, is_whole_page = json.loads(text)
    return Part(task_id, tuple(lead_ids), is_whole_page)
