"""Lines through a pipe that blocks nobody."""

from __future__ import annotations

import os

from runner.processes.pipes import Inlet, Outlet, pipe

LINE = b"x" * 10_000


def test_a_line_comes_whole_though_it_was_written_in_parts() -> None:
    read, write = pipe()
    inlet = Inlet(read)
    os.write(write, b'{"a"')
    assert inlet.lines() == []
    os.write(write, b": 1}\nnext\nrest")
    assert inlet.lines() == [b'{"a": 1}', b"next"]
    inlet.close()
    os.close(write)


def test_what_is_offered_to_a_reader_that_lags_behind_is_forgotten_and_what_is_sent_is_not() -> None:
    read, write = pipe()
    outlet, inlet = Outlet(write), Inlet(read)
    offered = 0
    while outlet.offer(LINE):
        offered += 1
    outlet.send(b"up")
    assert not outlet.offer(LINE)
    found = inlet.lines()
    assert outlet.offer(b"newest")
    found += inlet.lines()
    assert found == [LINE] * offered + [b"up", b"newest"]
    inlet.close()
    outlet.close()


def test_nobody_has_to_read() -> None:
    read, write = pipe()
    outlet = Outlet(write)
    os.close(read)
    outlet.send(b"up")
    assert outlet.offer(b"counts")
    outlet.close()
