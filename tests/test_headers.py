"""Headers of a request that travel with its message."""

from __future__ import annotations

import pytest

from runner.headers import LONGEST_VALUE, Headers, check_name, on_the_wire


def test_a_header_is_found_in_any_case_and_listed_in_lower_case() -> None:
    name, value = on_the_wire("X-Request-ID", "r-1")
    headers = Headers({name: value})
    assert headers["X-Request-ID"] == headers["x-request-id"] == headers["X-REQUEST-ID"] == "r-1"
    assert list(headers) == ["x-request-id"]
    assert "X-Other" not in headers


def test_what_other_programs_wrote_is_found_as_they_wrote_it() -> None:
    headers = Headers({"Tenant": 1, "tenant": 2, "traceparent": "theirs", "http-traceparent": "the client's"})
    assert (headers["Tenant"], headers["tenant"], headers["Traceparent"]) == (1, 2, "the client's")
    assert len(headers) == 3


@pytest.mark.parametrize("name", ["CC", "BCC", "x-delay", "runner-attempt"])
def test_on_the_wire_no_name_means_anything_to_a_broker_or_to_the_runner(name: str) -> None:
    assert on_the_wire(name, "a") == (f"http-{name.lower()}", "a")


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "a\x00", "é", "\ud800", "a\tb"])
def test_odd_bytes_do_not_travel(value: str) -> None:
    with pytest.raises(ValueError, match="the header X-A must be printable ASCII"):
        on_the_wire("X-A", value)


def test_a_value_has_a_limit() -> None:
    assert on_the_wire("X-A", "a" * LONGEST_VALUE)
    with pytest.raises(ValueError, match="has 1,025 characters, and may have 1,024"):
        on_the_wire("X-A", "a" * (LONGEST_VALUE + 1))


def test_card_numbers_and_addresses_are_masked_and_what_remains_is_ascii() -> None:
    assert on_the_wire("X-A", "card 4111 1111 1111 1111")[1] == "card ****1111"
    assert "someone" not in on_the_wire("X-A", "someone@example.com")[1]


def test_a_trace_stays_as_it_is() -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert on_the_wire("traceparent", trace)[1] == trace


@pytest.mark.parametrize("name", ["Authorization", "COOKIE", "X-API-Key", "proxy-authorization"])
def test_a_secret_does_not_travel(name: str) -> None:
    with pytest.raises(ValueError, match=f"names {name}, which is a secret of its sender"):
        check_name(name)


@pytest.mark.parametrize("name", ["Idempotency-Key", "webhook-signature"])
def test_what_belongs_to_the_request_does_not_travel(name: str) -> None:
    with pytest.raises(ValueError, match=f"names {name}, which belongs to the request"):
        check_name(name)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\n", "é", "a" * 65, "-a"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="must be a header's name"):
        check_name(name)
