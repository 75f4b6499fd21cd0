"""Arbitrary ids, headers and bodies, for hypothesis."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st

from tests.brokers.rabbitmq.amqp.nowhere import (
    FRAME_MAX,
)

texts = st.text(max_size=20)
short_texts = st.text(st.characters(codec="utf-8"), max_size=60)
scalars = st.one_of(
    texts,
    st.booleans(),
    st.none(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.binary(max_size=20),
    st.decimals(-9999, 9999, places=2),
    st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
        lambda moment: moment.replace(microsecond=0)
    ),
)
values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3))
)
headers = st.dictionaries(texts, values, max_size=4)
bodies = st.one_of(st.binary(max_size=200), st.integers(FRAME_MAX - 10, FRAME_MAX * 3).map(bytes))
