"""Makes the handlers of a stage, one for each slot that runs concurrently."""

from __future__ import annotations

import copy
import inspect
import re
import typing
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from runner.errors import Trail
from runner.handlers.problems import HandlerError, HandlerProblem, name_of, reason
from runner.message import Message
from runner.privacy.redaction import WITHHELD, is_secret, redact

Handler = Callable[[Message], object]


class HandlerFactory:
    """Makes handlers of one stage: `build()` one for each slot that runs concurrently.

    `settings` are those given, as the handler takes them; `defaults` those that its
    signature adds. `secrets` are never shown, since they came from a variable or a file:
    the trail of each and its text. `whole` passes the settings as one argument of that name.
    """

    def __init__(
        self,
        reference: str,
        target: Callable[..., Any],
        settings: Mapping[str, Any],
        defaults: Mapping[str, Any] | None = None,
        *,
        secrets: Mapping[Trail, str] | None = None,
        whole: str | None = None,
    ) -> None:
        self.reference = reference
        self.settings = settings
        self.defaults = defaults or {}
        self.secrets = secrets or {}
        self._target = target
        self._whole = whole

    def __repr__(self) -> str:  # never the settings: they may hold a password
        return f"HandlerFactory({self.reference!r})"

    def build(self) -> Handler:
        """A new handler: an instance of the class, or the function with its settings. Raises
        whatever the class does. If it is a context manager, the caller enters it. From now on, no text for people
        shows a secret of it whose name says that it is one."""
        WITHHELD.add(value for trail, value in self.secrets.items() if any(is_secret(str(step)) for step in trail))
        settings = copy.deepcopy(dict(self.settings))
        if self._whole:
            settings = {self._whole: settings}
        if inspect.isclass(self._target):
            return typing.cast(Handler, self._target(**settings))
        return partial(self._target, **settings) if settings else self._target

    def offers(self, method: str) -> bool:
        """Whether its handlers have a method of that name."""
        return inspect.isclass(self._target) and callable(getattr(self._target, method, None))

    def try_build(self) -> None:
        """Build one and discard it: the class may refuse its settings. Raises HandlerError."""
        try:
            self.build()
        except (Exception, SystemExit) as error:
            named = [name for name in self.settings if re.search(rf"\b{re.escape(name)}\b", str(error))]
            is_meant = isinstance(error, ValueError) or (isinstance(error, TypeError) and named)
            why = str(error) if is_meant and str(error) else reason(error)
            message = f"{name_of(self._target)} refuses its settings: {self.without_secrets(why)}"
            raise HandlerError([HandlerProblem(message, tuple(named) if len(named) == 1 else ())]) from error

    def without_secrets(self, why: str) -> str:
        """`why` without what came from variables and files, also in the form that the handler got: 587 for
        `0587`, a path joined to the file's folder."""
        bound = [str(value) for name, value in self.settings.items() if (name,) in self.secrets]
        return redact(why, [*self.secrets.values(), *bound])
