"""A private RabbitMQ node for benchmarks and tests: private ports, a temporary folder, loopback only.

It shares nothing with a node that may run on this machine: neither its Erlang port
mapper, nor its cookie, nor its data. Nothing of it outlives the session,
however that ends. The environment's RABBITMQ_SERVER names the `rabbitmq-server` to
run; without it, the installed one runs. Several can be one cluster (`join`).
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Self

from bench.ports import free_port

HOW_TO_GET_IT = "RabbitMQ's tests were left out: no rabbitmq-server here. To run them: apt-get install rabbitmq-server"
BOOT_TIMEOUT = 90.0

# Debian's /usr/sbin/rabbitmq-server switches to the user rabbitmq; the script behind it doesn't.
_SCRIPTS = ("/usr/lib/rabbitmq/bin", "/opt/homebrew/sbin", "/usr/local/sbin", "/usr/sbin")

# Starts the port mapper (the server's, where one lies beside it), and ends it and removes
# the folder when its input closes, which it does even when the test session is killed.
# In a session of its own, so that Ctrl-C doesn't reach it.
_JANITOR = """
trap '' INT TERM HUP
epmd -address 127.0.0.1 -port "$1" & epmd=$!
cat >/dev/null
kill -KILL $epmd
until rm -rf "$2" 2>/dev/null; do sleep 0.1; done
"""


def server_script() -> str | None:
    """The path of the `rabbitmq-server` to test against; None where there is none.

    Raises FileNotFoundError where RABBITMQ_SERVER names no program.
    """
    named = os.environ.get("RABBITMQ_SERVER")
    if named:
        script = shutil.which(named)
        if script is None:
            raise FileNotFoundError(
                f"RABBITMQ_SERVER names {named!r}, which is no program."
                " Give it the path of a rabbitmq-server script, or unset it for the installed one."
            )
        return str(Path(script).absolute())
    return shutil.which("rabbitmq-server", path=os.pathsep.join([*_SCRIPTS, os.environ.get("PATH", "")]))


class RabbitNode:
    """One node, running from `start()` to `stop()` or `kill()`, which may alternate:
    its ports and its data stay the same until `close()`. A context manager."""

    user, password = "guest", "guest"

    def __init__(self, mapper: RabbitNode | None = None) -> None:
        """`mapper`: a node whose Erlang port mapper is this one's as well."""
        script = server_script()
        if script is None:
            raise FileNotFoundError(HOW_TO_GET_IT)
        self._script = script
        self.folder = Path(tempfile.mkdtemp(prefix="runner-rabbitmq-"))
        self.port, self._api_port, self.epmd_port, self._distribution_port = (free_port() for _ in range(4))
        if mapper is not None:
            self.epmd_port = mapper.epmd_port
        self.name = f"runner-test-{self.port}@localhost"
        self._server: subprocess.Popen[bytes] | None = None
        self._output = self.folder / "output"
        self._write_configuration()
        self._janitor = subprocess.Popen(
            ["sh", "-c", _JANITOR, "janitor", str(self.epmd_port), str(self.folder)],
            env=os.environ | {"PATH": f"{Path(script).parent}{os.pathsep}{os.environ['PATH']}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- Life -----------------------------------------------------------------------

    @property
    def running(self) -> bool:
        return self._server is not None

    def join(self, names: Sequence[str], cookie: str) -> None:
        """Before the first start: be in one cluster with the nodes of these names, its own among
        them, and with the same cookie."""
        file = self.folder / ".erlang.cookie"
        file.write_text(cookie)
        file.chmod(0o400)
        with (self.folder / "rabbitmq.conf").open("a") as configuration:
            configuration.write("cluster_formation.peer_discovery_backend = rabbit_peer_discovery_classic_config\n")
            for number, name in enumerate(names, start=1):
                configuration.write(f"cluster_formation.classic_config.nodes.{number} = {name}\n")

    def start(self) -> None:
        """Boot, and return when AMQP and the management API answer."""
        _wait_until(lambda: _answers(self.epmd_port), "the Erlang port mapper", self._log)
        with self._output.open("wb") as output:
            self._server = subprocess.Popen(
                [self._script],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=self._environment(),
                cwd=self.folder,
                start_new_session=True,
            )
        _wait_until(self._ready, "RabbitMQ", self._log)

    def stop(self) -> None:
        """Shut down in good order, as an operator would."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, as if it had run out of memory.

        RabbitMQ 3.10 forgets a quorum queue that is declared less than a second before
        (Ra writes its list of them later); that is waited for, being no fault of ours.
        """
        if self._server is not None:
            self.eval("[ok = dets:sync(Table) || Table <- dets:all()]")
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """End the node and remove everything of it."""
        self._end(signal.SIGKILL)
        if self._janitor.stdin is not None:
            self._janitor.stdin.close()
        self._janitor.wait(30)

    def _end(self, how: signal.Signals) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, how)
        server.wait(60)
        _input(server).close()

    # -- What tests do to it ----------------------------------------------------------

    def url(self, vhost: str = "/") -> str:
        """The AMQP URL of a virtual host."""
        return f"amqp://{self.user}:{self.password}@127.0.0.1:{self.port}/{_quoted(vhost)}"

    def new_vhost(self) -> str:
        """Make an empty virtual host; its name."""
        vhost = f"test-{uuid.uuid4().hex[:12]}"
        self.api("PUT", f"/vhosts/{vhost}")
        self.api("PUT", f"/permissions/{vhost}/{self.user}", {"configure": ".*", "write": ".*", "read": ".*"})
        return vhost

    def delete_vhost(self, vhost: str) -> None:
        """Remove a virtual host with its queues and connections."""
        self.api("DELETE", f"/vhosts/{_quoted(vhost)}")

    def queues(self, vhost: str = "/") -> dict[str, dict[str, Any]]:
        """The queues of a virtual host by name, with what the management API says of each.

        Their arguments are the truth, their message counts up to a second old: for a
        count that is, declare the queue passively over AMQP.
        """
        return {queue["name"]: queue for queue in self.api("GET", f"/queues/{_quoted(vhost)}")}

    def connections(self, vhost: str = "/") -> list[str]:
        """The names of the connections to a virtual host."""
        return [connection["name"] for connection in self.api("GET", f"/vhosts/{_quoted(vhost)}/connections")]

    def close_connections(self, vhost: str = "/") -> int:
        """Close the connections to a virtual host from the broker's side; how many there were."""
        text = self.eval(
            f"Open = rabbit_connection_tracking:list(<<{json.dumps(vhost)}>>),"
            ' rabbit_connection_tracking_handler:close_connections(Open, "closed by a test", 0), length(Open)'
        )
        return int(text)

    def block(self) -> None:
        """Raise the memory alarm: publishers are blocked."""
        self.eval("vm_memory_monitor:set_vm_memory_high_watermark(0.0)")
        _wait_until(lambda: self.eval("rabbit_alarm:get_alarms()") != "[]", "the memory alarm", self._log)

    def unblock(self) -> None:
        """Clear the memory alarm."""
        self.eval("vm_memory_monitor:set_vm_memory_high_watermark(0.6)")
        _wait_until(lambda: self.eval("rabbit_alarm:get_alarms()") == "[]", "the end of the alarm", self._log)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It answers nothing meanwhile, as on a disk that stalls; its connections stay."""
        assert self._server is not None
        os.killpg(self._server.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self._server.pid, signal.SIGCONT)

    def warnings(self) -> str:
        """The log: all that the node has warned of until now."""
        mark = f"mark-{uuid.uuid4().hex}"
        self.eval(f'logger:warning("{mark}")')
        _wait_until(lambda: mark in self._warned(), "a mark in the log", self._log)
        return self._warned()

    @property
    def management_url(self) -> str:
        """Where its management plugin listens."""
        return f"http://127.0.0.1:{self._api_port}"

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """Call the management HTTP API: its parsed answer, None where it has none.

        Raises urllib.error.HTTPError, which is closed, for a status that isn't 2xx.
        """
        request = urllib.request.Request(
            f"{self.management_url}/api{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            error.close()
            raise
        return json.loads(text) if text else None

    def eval(self, expression: str) -> str:
        """Evaluate an Erlang expression in the node; its value on one line. Raises RuntimeError."""
        if self._server is None:
            raise RuntimeError("the node isn't running")
        mark = f"value-{uuid.uuid4().hex}"
        shell = _input(self._server)
        shell.write(f'io:format("~n~s ~0p~n", ["{mark}", catch (fun() -> {expression} end)()]).\n'.encode())
        shell.flush()
        _wait_until(lambda: self._value(mark) is not None, f"the value of {expression}", self._log)
        value = self._value(mark) or ""
        if value.startswith("{'EXIT'"):
            raise RuntimeError(f"{expression}: {value}")
        return value

    # -- Inside -----------------------------------------------------------------------

    def _write_configuration(self) -> None:
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {self._api_port}\n"
            "collect_statistics_interval = 1000\nlog.file.level = warning\n"
        )
        (self.folder / "advanced.config").write_text("[{rabbit, [{quorum_tick_interval, 1000}]}].\n")
        (self.folder / "enabled_plugins").write_text("[rabbitmq_management].\n")

    def _environment(self) -> dict[str, str]:
        """The caller's, without what it says about another node."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))}
        return kept | {
            "HOME": str(self.folder),  # the Erlang cookie is written there
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self.epmd_port),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_ALLOW_INPUT": "true",  # an Erlang shell on stdin, which ends the node when we die
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "no-such-file"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.folder / "generated"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false",
        }

    def _ready(self) -> bool:
        if self._server is not None and self._server.poll() is not None:
            raise RuntimeError(f"RabbitMQ ended while it booted:\n{self._log()}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            if connection.recv(1) == b"\x01":  # a method frame: Connection.Start
                return bool(self.api("GET", "/overview"))
        return False

    def _value(self, mark: str) -> str | None:
        lines = self._output.read_text(errors="replace").splitlines()
        return next((line.removeprefix(mark).strip() for line in lines if line.startswith(mark)), None)

    def _warned(self) -> str:
        return "".join(file.read_text(errors="replace") for file in sorted((self.folder / "log").glob("*.log")))

    def _log(self) -> str:
        files = [self._output, *sorted((self.folder / "log").glob("*.log"))]
        return "\n".join(file.read_text(errors="replace")[-4000:] for file in files if file.exists())


def _input(server: subprocess.Popen[bytes]) -> IO[bytes]:
    assert server.stdin is not None
    return server.stdin


def _quoted(vhost: str) -> str:
    return urllib.parse.quote(vhost, safe="")


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _wait_until(condition: Callable[[], bool], what: str, log: Callable[[], str]) -> None:
    deadline = time.monotonic() + BOOT_TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} didn't come within {BOOT_TIMEOUT:.0f} s:\n{log()}")
        time.sleep(0.02)
