"""What goes wrong: each trouble takes a few seconds, and leaves everything able to go on."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Sequence

from tests.chaos.brokers import HEARTBEAT, Ground
from tests.chaos.house import House, hit, wait

Trouble = Callable[[House, Ground, random.Random], str]
"""Makes it, and says in words what it did."""


def kill_a_process(house: House, _ground: Ground, chance: random.Random) -> str:
    children = house.children()
    if not children:
        return "nobody to kill"
    pid = chance.choice(children)
    hit(pid, signal.SIGKILL)
    return f"SIGKILL to process {children.index(pid) + 1} of {len(children)} below the supervisor ({pid})"


def kill_several(house: House, _ground: Ground, chance: random.Random) -> str:
    children = house.children()
    chosen = chance.sample(children, min(2, len(children)))
    for pid in chosen:
        hit(pid, signal.SIGKILL)
    return f"SIGKILL to {len(chosen)} processes at once"


def kill_the_supervisor(house: House, _ground: Ground, _chance: random.Random) -> str:
    for pid in house.processes()[:1]:
        hit(pid, signal.SIGKILL)
    return "SIGKILL to the supervisor"


def kill_everything(house: House, _ground: Ground, _chance: random.Random) -> str:
    for pid in house.processes():
        hit(pid, signal.SIGKILL)
    return "SIGKILL to all processes"


def stop_beyond_the_heartbeat(house: House, _ground: Ground, chance: random.Random) -> str:
    children = house.children()
    if not children:
        return "nobody to stop"
    pid = chance.choice(children)
    hit(pid, signal.SIGSTOP)
    wait(HEARTBEAT * 2 + chance.uniform(0.5, 2))
    hit(pid, signal.SIGCONT)
    return f"SIGSTOP to process {children.index(pid) + 1} of {len(children)}, beyond the heartbeat"


def ask_to_stop(house: House, _ground: Ground, _chance: random.Random) -> str:
    for pid in house.processes()[:1]:
        hit(pid, signal.SIGTERM)
        wait(1)
    return "SIGTERM to the supervisor"


def cut_the_broker(_house: House, ground: Ground, _chance: random.Random) -> str:
    ground.cut()
    return "the broker is taken away for a moment"


def kill_a_node(_house: House, ground: Ground, chance: random.Random) -> str:
    node = chance.choice(ground.nodes)
    node.kill()
    wait(chance.uniform(0, 3))
    node.start()
    return f"SIGKILL to node {list(ground.nodes).index(node) + 1} of {len(ground.nodes)}, and its start"


def freeze_a_node(_house: House, ground: Ground, chance: random.Random) -> str:
    with chance.choice(ground.nodes).frozen():
        wait(chance.uniform(1, HEARTBEAT * 3))
    return "a node was frozen for a while"


OF_PROCESSES: Sequence[Trouble] = (
    kill_a_process,
    kill_a_process,
    kill_a_process,
    kill_several,
    kill_the_supervisor,
    kill_everything,
    stop_beyond_the_heartbeat,
    ask_to_stop,
    cut_the_broker,
)
OF_NODES: Sequence[Trouble] = (kill_a_node, freeze_a_node)


def troubles(ground: Ground, chance: random.Random) -> Trouble:
    """The next one: where there are nodes, every third is theirs."""
    if len(ground.nodes) > 1 and chance.random() < 0.5:
        return kill_a_node
    if ground.nodes and chance.random() < 1 / 3:
        return chance.choice(OF_NODES)
    return chance.choice(OF_PROCESSES)
