"""What keeps starts and calls quick, without a clock: which modules are loaded, and when."""

import importlib
import importlib.util
import inspect


def test_the_package_that_httpcore_tries_to_import_on_every_request_is_there() -> None:
    # Once httpcore asks for it no longer, the dependency can go.
    asking = inspect.getsource(importlib.import_module("httpcore._synchronization"))

    assert "import sniffio" in asking
    assert importlib.util.find_spec("sniffio") is not None
