"""The handlers of the system tests: they record what they get, and then do as the body says."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner import Message, Pause, Reject, Retry

log = logging.getLogger("shop")


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


class Careless:
    """Has the number of a card open, and does with it what nobody should: as the reference says."""

    def __call__(self, message: Message) -> Mapping[str, Any]:
        payment: Mapping[str, Any] = message.body
        getattr(self, f"_{payment.get('reference', 'pay')}")(message, payment["cardNo"])
        return payment

    def _pay(self, message: Message, number: str) -> None: ...

    def _crash(self, message: Message, number: str) -> None:
        try:
            raise KeyError(number)
        except KeyError:
            raise ValueError(f"no such card: {number}, {int(number)} or {' '.join(_groups(number))}") from None

    def _chain(self, message: Message, number: str) -> None:
        try:
            dict[str, str]()[number]
        except KeyError as error:
            error.add_note("-".join(_groups(number)))
            raise

    def _reject(self, message: Message, number: str) -> None:
        raise Reject(f"the card {'-'.join(_groups(number))} is not for us")

    def _retry(self, message: Message, number: str) -> None:
        if message.attempt == 1:
            log.error("charging %s failed", number)
            log.error("payment %r", message.body)
            raise Retry(f"{number} is not known yet")

    def _die(self, message: Message, number: str) -> None:
        if message.attempt == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    def _tell(self, message: Message, number: str) -> Any:
        message.body["user"] = f"{number}@example.com"

    def _stray(self, message: Message, number: str) -> Any:
        failed = threading.Thread(target=self._crash, args=(message, number))
        failed.start()
        failed.join()


def _groups(number: str) -> list[str]:
    return [number[place : place + 4] for place in range(0, len(number), 4)]
