"""What `runner run` prints when everything is up: what runs where, and how to try it."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from runner.brokers import registry
from runner.config.loader import LoadedPipeline
from runner.ledger import url as ledger_url
from runner.pipeline import Address, Http, HttpRoute
from runner.processes.parts import Parts


def heading(loaded: LoadedPipeline, took: float) -> str:
    """The first line; the start took so many seconds."""
    return f"{loaded.pipeline.name} is up after {took:.1f} s"


def lines(loaded: LoadedPipeline, parts: Parts, *, processes: int) -> Iterator[str]:
    """The lines below it, one for each part that is started."""
    http, mailbox = parts.intake, parts.mailbox
    for route in http.routes if http else ():
        assert http is not None
        targets = dict.fromkeys(str(to) for one in route.publish for to in one.to)
        yield f"  intake   {route.method} {url(http.listen, http.scheme)}{route.path} → {', '.join(targets)}"
    yield f"  broker   {registry.described(loaded.pipeline)}"
    if loaded.pipeline.ledger is not None:
        yield f"  ledger   {ledger_url.shown(loaded.pipeline.ledger, loaded.pipeline.folder)}"
    if mailbox is not None:
        yield f"  mailbox  smtp://{mailbox.listen} → {_near(mailbox.folder)} (read it: {_program()} mail)"
    workers = f", in {processes} processes" if processes > 1 else ""
    if parts.stages:
        yield f"  stages   {', '.join(f'{stage.name} ×{stage.concurrency}' for stage in parts.stages)}{workers}"
    if parts.console is not None:
        yield f"  console  {url(parts.console.listen, parts.console.scheme)}"
    if parts.health is not None:
        yield f"  health   {url(parts.health.listen)}/health/ready"
    if (alerts := parts.alerts) is not None:
        to = [*(alerts.mail.to if alerts.mail else ()), *([alerts.webhook.host] if alerts.webhook else [])]
        yield f"  alerts   to {', '.join(to)}"
    if http and http.routes:
        yield f"  try      {_curl(loaded, http, http.routes[0])}"
    yield "  stop     Ctrl-C"


def url(address: Address, scheme: str = "http") -> str:
    """How a browser or curl on this machine reaches `address`."""
    local = {"127.0.0.1", "0.0.0.0", "::", "::1"}  # noqa: S104 - compared, not bound
    return f"{scheme}://localhost:{address.port}" if address.host in local else f"{scheme}://{address}"


def _program() -> str:
    """How this program was called, so that the next command can be copied."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{Path(sys.executable).name} -m runner"
    return "runner" if shutil.which("runner") == str(called.absolute()) else str(_near(called.absolute()))


def _near(path: Path) -> Path:
    """As you would type it here, if it is inside the working folder."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _curl(loaded: LoadedPipeline, http: Http, route: HttpRoute) -> str:
    """A request to copy, with the schema's first example if it has one."""
    body = "{}"
    first = route.publish[0].to[0]
    schema = loaded.schemas.get(first.key) if not first.exchange else None
    if schema is not None and isinstance(schema.document, dict) and (examples := schema.document.get("examples")):
        body = json.dumps(examples[0], ensure_ascii=False, separators=(",", ":"))  # orjson takes no large numbers
    method = "" if route.method == "POST" else f"-X {route.method} "
    key = "" if route.auth == "off" else "-H 'Authorization: Bearer KEY' "
    headers = f"{key}-H 'Content-Type: application/json'"
    return f"curl -i {method}{url(http.listen, http.scheme)}{route.path} {headers} -d {shlex.quote(body)}"
