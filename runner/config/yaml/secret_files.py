"""A file that holds one value, as Docker and Kubernetes mount their secrets → its text.

Left out: which file a `${…}` means (see `runner.config.yaml.variables`). No error repeats
anything from the file.
"""

from __future__ import annotations

from pathlib import Path

from runner.paths import FileReadError, read_file

LARGEST = 64 << 10
"""Bytes."""


class SecretFileError(Exception):
    """The file gives no value. The text says why and what to do, without the file's name."""


def read_secret(path: Path) -> str:
    """The text of the file at `path`, without its final line break. Raises SecretFileError."""
    try:
        text = read_file(path, LARGEST).decode()
    except FileReadError as error:
        reason = f"{error}; name a readable file that holds the value alone"
        raise SecretFileError(reason) from None
    except UnicodeDecodeError:
        raise SecretFileError("isn't UTF-8 text; save the value as UTF-8") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:  # a default in its place would be a guess: another broker, or no password
        raise SecretFileError("is empty; write the value into it")
    return text
