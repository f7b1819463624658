"""Words in a request that choose how it turns out, for whoever wants to see one outcome on purpose.

* `nobody`: not found, nothing is charged
* `no-email`, `no-phone`: only the other of the two is found
* `surely`: both are found
* `failing`: the workflow fails and refunds; in a list, that row fails
* `pending-review`: the workflow fails and the refund is under review; with `cancelled`, it ends cancelled
* `cancelled`: the workflow ends cancelled; `canceled`, `terminated` and `timed-out` end it in the words of the
  engine behind the API
* `slow` (as a word of its own): the workflow takes 40 seconds
"""

import re
from collections.abc import Iterable
from typing import Literal

Ending = Literal["usual", "failed", "cancelled", "canceled", "terminated", "timed_out"]
Contact = Literal["email", "phone"]

_ENDINGS: dict[str, Ending] = {
    "failing": "failed",
    "cancelled": "cancelled",
    "canceled": "canceled",
    "terminated": "terminated",
    "timed-out": "timed_out",
    "pending-review": "failed",
}
_SLOW = re.compile(r"(?<![^\W_])slow(?![^\W_])")


def ending(*texts: str | None) -> Ending:
    """Return how a workflow ends whose input is `texts`."""
    text = joined(texts)
    return next((end for word, end in _ENDINGS.items() if word in text), "usual")


def is_reviewed(*texts: str | None) -> bool:
    """Return True if the refund of a workflow that ends badly is under review."""
    return "pending-review" in joined(texts)


def is_slow(*texts: str | None) -> bool:
    """Return True if the input asks for a workflow of 40 seconds."""
    return any(_SLOW.search(part.casefold()) for part in texts if part)


def is_nobody(*texts: str | None) -> bool:
    """Return True if the input is somebody or something that does not exist."""
    return "nobody" in joined(texts)


def is_found(contact: Contact, *texts: str | None) -> bool | None:
    """Return what the words decide about an e-mail address or a phone, or None if they leave it to chance."""
    text = joined(texts)
    other = "phone" if contact == "email" else "email"
    if is_nobody(text) or f"no-{contact}" in text:
        return False
    return True if "surely" in text or f"no-{other}" in text else None


def joined(parts: Iterable[str | None]) -> str:
    """Return all texts as one, in lower case."""
    return " ".join(part.casefold() for part in parts if part)
