"""What goes wrong: each trouble takes a few seconds, and leaves everything able to go on."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tests.chaos.brokers import HEARTBEAT, Ground
from tests.chaos.house import House, hit, wait
from tests.chaos.ledgers import LedgerGround


class World(NamedTuple):
    """All that can be hit."""

    house: House
    broker: Ground
    ledger: LedgerGround


Trouble = Callable[[World, random.Random], str]
"""Makes it, and says in words what it did."""


def kill_a_process(world: World, chance: random.Random) -> str:
    children = world.house.children()
    if not children:
        return "nobody to kill"
    pid = chance.choice(children)
    hit(pid, signal.SIGKILL)
    return f"SIGKILL to process {children.index(pid) + 1} of {len(children)} below the supervisor ({pid})"


def kill_several(world: World, chance: random.Random) -> str:
    children = world.house.children()
    chosen = chance.sample(children, min(2, len(children)))
    for pid in chosen:
        hit(pid, signal.SIGKILL)
    return f"SIGKILL to {len(chosen)} processes at once"


def kill_the_supervisor(world: World, _chance: random.Random) -> str:
    for pid in world.house.processes()[:1]:
        hit(pid, signal.SIGKILL)
    return "SIGKILL to the supervisor"


def kill_everything(world: World, _chance: random.Random) -> str:
    for pid in world.house.processes():
        hit(pid, signal.SIGKILL)
    return "SIGKILL to all processes"


def stop_beyond_the_heartbeat(world: World, chance: random.Random) -> str:
    children = world.house.children()
    if not children:
        return "nobody to stop"
    pid = chance.choice(children)
    hit(pid, signal.SIGSTOP)
    wait(HEARTBEAT * 2 + chance.uniform(0.5, 2))
    hit(pid, signal.SIGCONT)
    return f"SIGSTOP to process {children.index(pid) + 1} of {len(children)}, beyond the heartbeat"


def ask_to_stop(world: World, _chance: random.Random) -> str:
    for pid in world.house.processes()[:1]:
        hit(pid, signal.SIGTERM)
        wait(1)
    return "SIGTERM to the supervisor"


def cut_the_broker(world: World, _chance: random.Random) -> str:
    world.broker.cut()
    return "the broker is taken away for a moment"


def hit_the_ledger(world: World, chance: random.Random) -> str:
    return world.ledger.hit(chance)


def kill_the_relay(world: World, _chance: random.Random) -> str:
    relay = world.house.relay()
    if relay is None:
        return "no relay to kill"
    hit(relay, signal.SIGKILL)
    return "SIGKILL to the relay"


def stop_the_relay(world: World, chance: random.Random) -> str:
    relay = world.house.relay()
    if relay is None:
        return "no relay to stop"
    hit(relay, signal.SIGSTOP)
    wait(chance.uniform(0.5, 4))
    hit(relay, signal.SIGCONT)
    return "the relay doesn't answer for a while"


def kill_a_node(world: World, chance: random.Random) -> str:
    node = chance.choice(world.broker.nodes)
    node.kill()
    wait(chance.uniform(0, 3))
    node.start()
    return f"SIGKILL to node {list(world.broker.nodes).index(node) + 1} of {len(world.broker.nodes)}, and its start"


def freeze_a_node(world: World, chance: random.Random) -> str:
    with chance.choice(world.broker.nodes).frozen():
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
    hit_the_ledger,
    hit_the_ledger,
    kill_the_relay,
    stop_the_relay,
)
OF_NODES: Sequence[Trouble] = (kill_a_node, freeze_a_node)


def trouble(world: World, chance: random.Random) -> Trouble:
    """The next one: where there are nodes, every third is theirs."""
    nodes = world.broker.nodes
    if len(nodes) > 1 and chance.random() < 0.5:
        return kill_a_node
    if nodes and chance.random() < 1 / 3:
        return chance.choice(OF_NODES)
    return chance.choice(OF_PROCESSES)
