"""No nonce comes twice: with AES-GCM, a second use of one gives the key away."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from runner.privacy.nonces import LENGTH, nonce


def test_no_two_threads_get_the_same() -> None:
    with ThreadPoolExecutor(8) as threads:
        drawn = list(threads.map(lambda _: nonce(), range(5_000)))
    assert len(set(drawn)) == len(drawn)
    assert {len(one) for one in drawn} == {LENGTH}


def test_no_two_processes_get_the_same() -> None:
    nonce()  # so that some are left when it forks
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"".join(nonce() for _ in range(300)))
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reading, 300 * LENGTH)
    ours = {nonce() for _ in range(300)}
    assert len(theirs) == 300 * LENGTH
    assert ours.isdisjoint(theirs[start : start + LENGTH] for start in range(0, len(theirs), LENGTH))
