"""The file's own counts, corrected at the start: another program, or an older one that was
killed, may have left rows that aren't counted, or counts without rows. So is what is delayed, also
when the clock was set back meanwhile: it waits no longer than it would have.

Changes nothing if they are right. Looks only at what is in hand, delayed or waits again, and at the
ends of the queues: a backlog costs nothing.
"""

# ruff: noqa: S608 - what is put into statements here are constants, never a value
from __future__ import annotations

import sqlite3

from runner.errors import LONGEST_DELAY
from runner.message import LARGEST_COUNT

PLACES = 40
"""Bits of a place that count within the queue: enough for a million a second for 12 days,
or for a thousand a second for 34 years; what is above them is the queue's number."""

LONGEST_WAIT = round(LONGEST_DELAY * 1000)
"""Milliseconds; no runner delays a message for longer than this."""

_OWN = f"place BETWEEN number << {PLACES} AND ((number + 1) << {PLACES}) - 1"
_NOW = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
"""Unix time in milliseconds."""
_SET_RIGHT = f"""
BEGIN IMMEDIATE;
-- Names and tokens are text; a token is part of a file's name.
UPDATE queue SET name = 'queue ' || number WHERE typeof(name) <> 'text';
DELETE FROM owner WHERE typeof(token) <> 'text' OR token GLOB '*[^0-9a-f-]*';
DELETE FROM consumer WHERE owner NOT IN (SELECT number FROM owner);
-- What is in hand is there, and somebody has it.
DELETE FROM taken WHERE place NOT IN (SELECT place FROM message);
UPDATE taken SET owner = NULL WHERE owner NOTNULL AND owner NOT IN (SELECT number FROM owner);
UPDATE taken SET crashes = max(0, min(CAST(crashes AS INTEGER), {LARGEST_COUNT}))
 WHERE typeof(crashes) <> 'integer' OR crashes NOT BETWEEN 0 AND {LARGEST_COUNT};
-- The tail is behind the last message, and the head behind the last that was ever taken.
UPDATE queue SET tail = coalesce((SELECT max(place) + 1 FROM message WHERE {_OWN}), number << {PLACES});
UPDATE queue SET head = min(tail, max(
  number << {PLACES}, CAST(head AS INTEGER), coalesce((SELECT max(place) + 1 FROM taken WHERE {_OWN}), 0)));
-- What lies before the head and isn't in hand waits again.
INSERT INTO taken SELECT place, NULL, 0 FROM queue JOIN message ON place BETWEEN number << {PLACES} AND head - 1
 WHERE place NOT IN (SELECT place FROM taken);
-- Nothing is due later than after its own wait: the clock was set back meanwhile.
UPDATE delayed SET due = {_NOW} + wait
 WHERE typeof(wait) = 'integer' AND wait >= 0 AND due > {_NOW} + wait AND due <= {_NOW} + {LONGEST_WAIT};
UPDATE queue SET
  returned = (SELECT count(*) FROM taken WHERE owner IS NULL AND {_OWN}),
  held = (SELECT count(*) FROM taken WHERE owner NOTNULL AND {_OWN}),
  delayed = (SELECT count(*) FROM delayed WHERE delayed.queue = queue.number),
  next_due = (SELECT min(due) FROM delayed WHERE delayed.queue = queue.number),
  largest = max(0, CAST(largest AS INTEGER));
COMMIT;
"""


def set_right(connection: sqlite3.Connection) -> None:
    """Set the counts right, in a separate transaction; the caller holds the write lock."""
    try:
        connection.executescript(_SET_RIGHT)
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
