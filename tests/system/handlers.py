"""The handlers of the system tests: they record what they get, and then do as the body says."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner import Message, Pause, Reject, Retry


class Step:
    """Notes `stage n attempt pid` in the ledger, then does what `do[stage]` of the body says,
    and passes the body on."""

    def __init__(self, *, stage: str, folder: str) -> None:
        self._stage = stage
        self._folder = Path(folder)

    def __call__(self, message: Message) -> Mapping[str, Any]:
        body: Mapping[str, Any] = message.body
        with (self._folder / "ledger").open("a") as ledger:  # one short append: atomic between processes
            ledger.write(f"{self._stage} {body['n']} {message.attempt} {os.getpid()}\n")
        action, _, argument = str(body.get("do", {}).get(self._stage, "")).partition(" ")
        if action:
            getattr(self, f"_{action}")(body, argument)
        return body

    def _die(self, _body: Mapping[str, Any], _argument: str) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def _exit(self, _body: Mapping[str, Any], argument: str) -> None:
        os._exit(int(argument))

    def _die_once(self, body: Mapping[str, Any], _argument: str) -> None:
        if self._first_time(body):
            os.kill(os.getpid(), signal.SIGKILL)

    def _die_soon_once(self, body: Mapping[str, Any], argument: str) -> None:
        """After the handler, somewhere on the way out."""
        if self._first_time(body):
            threading.Timer(float(argument), os.kill, [os.getpid(), signal.SIGKILL]).start()

    def _fail(self, _body: Mapping[str, Any], _argument: str) -> None:
        raise ValueError("this body always fails")

    def _fail_once(self, body: Mapping[str, Any], _argument: str) -> None:
        if self._first_time(body):
            raise ValueError("once")

    def _retry(self, _body: Mapping[str, Any], _argument: str) -> None:
        raise Retry("not now")

    def _reject(self, _body: Mapping[str, Any], _argument: str) -> None:
        raise Reject("never")

    def _pause(self, _body: Mapping[str, Any], argument: str) -> None:
        raise Pause("nothing works", delay=float(argument))

    def _sleep(self, _body: Mapping[str, Any], argument: str) -> None:
        time.sleep(float(argument))

    def _wait_for(self, _body: Mapping[str, Any], argument: str) -> None:
        """Until the test makes this file."""
        while not (self._folder / argument).exists():
            time.sleep(0.01)

    def _first_time(self, body: Mapping[str, Any]) -> bool:
        marker = self._folder / f"{self._stage}-{body['n']}"
        try:
            marker.touch(exist_ok=False)
        except FileExistsError:
            return False
        return True
