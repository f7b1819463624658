"""A list as a CSV file: a link to it, or the file itself in the folder that the user shared."""

from functools import partial
from pathlib import Path

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from cleanlist_mcp.answers.list_shapes import ExportResult
from cleanlist_mcp.answers.lists import exported_list, saved_list
from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.imports.saving import SharedFile, WrittenFile, file_name
from cleanlist_mcp.imports.spreadsheets import rewrite

WRITING_SECONDS = 8.0
"""Seconds kept for reading, changing and writing the file once it has come."""

LEAST_SECONDS = 1.0
"""Seconds that the file has to come at the least."""


async def export_list(call: Call, id_or_name: str) -> ExportResult:
    """Return a signed link to a list as a CSV file.

    Raises:
        AmbiguousList, NotFound: if `id_or_name` names no single list.
        ApiError: if the API does not make the file.
    """
    list_id, name = await call.services.directory.resolve(id_or_name)
    export = await call.services.client.export(list_id)
    saves = call.settings.csv_dir is not None
    return exported_list(export, list_id, name, inside=call.settings.sandbox, saves=saves)


async def save_list(call: Call, id_or_name: str, save_as: str, folder: Path) -> ExportResult:
    """Save a list as a CSV file of the name `save_as` in the shared folder, never over another file.

    Raises:
        InvalidArguments: if the name cannot be used, or is in use, or the folder does not take the file.
        AmbiguousList, NotFound: if `id_or_name` names no single list.
        ApiError: if the API does not make the file, or it cannot be fetched from where it lies.
    """
    wanted = file_name(save_as)
    file = await anyio.to_thread.run_sync(SharedFile, folder, wanted)
    list_id, name = await call.services.directory.resolve(id_or_name)
    export = await call.services.client.export(list_id)
    seconds = max(call.deadline.room() - WRITING_SECONDS, LEAST_SECONDS)
    content = await call.services.downloads.fetch(export.download_url, seconds)
    with await _written(file, content) as written:
        written.place()  # at once: a call that was given up in the meantime leaves no file behind
        return saved_list(export, list_id, name, file.name, written.rows, written.size)


async def _written(file: SharedFile, content: bytes) -> WrittenFile:
    """Write the file in a thread of its own: big ones take seconds."""
    written: list[WrittenFile] = []

    def write() -> None:
        written.append(file.write(partial(rewrite, content)))

    try:
        await anyio.to_thread.run_sync(write)
        await checkpoint_if_cancelled()  # waiting for a thread does not look
    except BaseException:
        for one in written:  # the call was given up while the thread was at work
            one.discard()
        raise
    return written[0]
