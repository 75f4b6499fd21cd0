"""Values that are written as text. What is said of a whole file is in `test_draft.py` and `test_grammar.py`."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

from runner.config.sections.formats import address, body_size, http_url, routing_key, secret, whole
from runner.pipeline import Address

BYTES = bytes(range(24))


def test_each_is_read() -> None:
    assert address("[::1]:5000") == Address("::1", 5000)
    assert whole(4.0) == 4
    assert routing_key("é" * 127) == "é" * 127
    assert http_url("https://x.org:8443/a?b=c") == "https://x.org:8443/a?b=c"
    assert secret(f"whsec_{b64encode(BYTES).decode()}") == secret(b64encode(BYTES).decode()) == BYTES
    assert body_size("64KiB") == 65_536


@pytest.mark.parametrize(
    ("read", "text", "fault"),
    [
        (address, "localhost:65536", "has the port 65536"),
        (routing_key, "é" * 128, "is 256 bytes long, and a key has at most 255"),
        (http_url, "ftp://x.org", "must be an http:// or https:// URL"),
        (http_url, "https://x.org/a b", "must be a URL in ASCII, without spaces"),
        (secret, f"whsec_{b64encode(BYTES[1:]).decode()}", "at least 24 bytes in base64"),
        (secret, "whsec_é", "at least 24 bytes in base64"),
        (body_size, "17MiB", "is 17MiB, but must be from 1B to 16MiB"),
    ],
)
def test_what_it_cannot_be_is_said(read: Callable[[str], Any], text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        read(text)
