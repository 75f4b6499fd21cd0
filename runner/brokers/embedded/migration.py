"""No queue in the broker's file has to be made anew: what differs is changed in its place when it is declared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from runner.topology import Topology


def migrated(
    urls: Sequence[str],  # noqa: ARG001 - as all below, of the contract
    name: str,  # noqa: ARG001
    topology: Topology,  # noqa: ARG001
    goes_on: Callable[[], bool],  # noqa: ARG001
) -> Mapping[str, int]:
    return {}
