"""What stands before every page: who asks, from where, and what a form has to bring."""

from __future__ import annotations

import html
import re
from urllib.parse import urlencode

import pytest

from runner.console.access import hash_of
from runner.console.guard import UNSEALED, is_own_name
from tests.console.conftest import PIPELINE, Answer, Show, Shown

TOKENS = f"""
      tokens:
        ada: {{hash: "{hash_of("adas token")}", roles: [operator]}}
        bob: {{hash: "{hash_of("bobs token")}"}}
"""
ASKING = PIPELINE.replace('console: {listen: "127.0.0.1:0"}', 'console:\n      listen: "127.0.0.1:0"' + TOKENS)
EVERYTHING = ASKING + '    mailbox: {listen: "127.0.0.1:0", folder: mails}\n    ledger: sqlite:ledger.db\n'
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Browser:
    """Keeps its cookie, as a browser does, and reads the seal of the pages."""

    def __init__(self, shown: Shown) -> None:
        self.shown = shown
        self.cookie = ""

    def get(self, path: str, **headers: str) -> Answer:
        return self._ask(path, "GET", None, headers)

    def post(self, path: str, seal: str, form: dict[str, str] | None = None, **headers: str) -> Answer:
        body = urlencode({"seal": seal, **(form or {})})
        return self._ask(path, "POST", body, FORM | headers)

    def seal(self, path: str) -> str:
        [seal, *_] = re.findall(r'name="seal" value="(\w+)"', self.get(path).body)
        return str(seal)

    def log_in(self, token: str, **form: str) -> Answer:
        return self.post("/log-in", self.seal("/log-in"), {"token": token, **form})

    def _ask(self, path: str, method: str, body: str | None, headers: dict[str, str]) -> Answer:
        sent = headers | ({"Cookie": self.cookie} if self.cookie else {})
        answer = self.shown.ask(path, method, body, {"Accept": "text/html", **sent})
        if "set-cookie" in answer.headers:
            self.cookie = answer.headers["set-cookie"].partition(";")[0]
        return answer


@pytest.fixture
def browser(show: Show) -> Browser:
    return Browser(show(ASKING))


def test_whoever_is_not_known_is_asked_for_a_token_and_then_goes_where_they_wanted(browser: Browser) -> None:
    answer = browser.get("/queues/orders")
    assert (answer.status, answer.headers["location"]) == (303, "/log-in?next=/queues/orders")
    answer = browser.log_in("bobs token", next="/queues/orders")
    assert (answer.status, answer.headers["location"]) == (303, "/queues/orders")
    page = browser.get("/queues/orders")
    assert page.status == 200
    assert "bob" in page.body
    assert browser.post("/log-out", browser.seal("/")).status == 303
    assert browser.get("/queues/orders").status == 303


def test_a_wrong_token_opens_nothing(browser: Browser) -> None:
    answer = browser.log_in("bobs token!")
    assert answer.status == 403
    assert "This token opens nothing here." in answer.body
    assert browser.get("/").status == 303


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/\\/evil.example",
        "///evil.example",
        "//[",
        "evil",
    ],
)
def test_a_log_in_leads_to_no_other_site(browser: Browser, elsewhere: str) -> None:
    assert browser.log_in("bobs token", next=elsewhere).headers["location"] == "/"


def test_the_cookie_is_for_this_site_and_for_no_script(browser: Browser) -> None:
    said = browser.get("/log-in").headers["set-cookie"]
    assert re.fullmatch(r"console-\d+=[\w-]{32}; HttpOnly; Path=/; SameSite=Strict", said)
    before = browser.cookie
    browser.log_in("bobs token")
    assert browser.cookie != before, "a session that somebody planted isn't logged in"


def test_a_program_sends_its_token_with_each_request(browser: Browser) -> None:
    assert browser.shown.ask("/", headers={"Authorization": "Bearer bobs token"}).status == 200
    assert browser.shown.ask("/", headers={"Authorization": "Bearer nobodys"}).status == 401
    refused = browser.shown.ask("/dead/drop", "POST", "id=a&reason=x", {"Authorization": "Bearer nobodys"} | FORM)
    assert refused.status == 401
    assert "Send a token as" in refused.body, "and not of a form, for a program has none"
    assert browser.shown.ask("/live").status == 401
    assert browser.shown.ask("/health/live").status == 200, "probes have no token"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://localhost:1"},
    ],
)
def test_a_change_from_another_page_is_refused_even_with_the_cookie_and_the_seal(
    browser: Browser, headers: dict[str, str]
) -> None:
    browser.log_in("bobs token")
    seal = browser.seal("/")
    assert browser.post("/log-out", seal, None, **headers).status == 403
    assert browser.get("/").status == 200, "still logged in"
    ours = {"Origin": f"http://127.0.0.1:{browser.shown.port}", "Sec-Fetch-Site": "same-origin"}
    assert browser.post("/log-out", seal, None, **ours).status == 303


@pytest.mark.parametrize("seal", ["", "0" * 64])
def test_a_change_without_its_seal_is_refused(browser: Browser, seal: str) -> None:
    browser.log_in("bobs token")
    assert browser.post("/log-out", seal).status == 403
    assert browser.get("/").status == 200


def test_a_link_from_another_site_is_asked_once_more_with_the_cookie(browser: Browser) -> None:
    """Which a browser doesn't send at first, for it is for this site only."""
    answer = browser.shown.ask("/", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})
    assert answer.status == 200
    assert '<meta http-equiv="refresh" content="0">' in answer.body
    assert "set-cookie" not in answer.headers


def test_without_tokens_a_name_that_anybody_could_own_is_refused(show: Show) -> None:
    shown = show()
    assert shown.ask("/", headers={"Host": "evil.example"}).status == 403
    assert shown.ask("/live", headers={"Host": "evil.example:5001"}).status == 403
    assert shown.ask("/", headers={"Host": "localhost:5001"}).status == 200


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("localhost", True),
        ("localhost:5001", True),
        ("shop.localhost:5001", True),
        ("127.0.0.1:5001", True),
        ("[::1]:5001", True),
        ("10.1.2.3", True),
        ("runner:5001", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example:5001", False),
        ("localhost.", True),
        ("evil.example.", False),
        ("", False),
        ("[::1", False),
    ],
)
def test_which_names_are_nobody_elses(host: str, ours: bool) -> None:
    assert is_own_name(host) == ours


def test_a_program_with_a_token_needs_no_seal_and_whoever_only_says_so_does(browser: Browser) -> None:
    known, basic = {"Authorization": "Bearer adas token"}, {"Authorization": "Basic YTpi"}
    form = FORM | {"Accept": "text/html"}
    assert browser.shown.ask("/jobs/1", "POST", "", form | known).status == 303
    assert browser.shown.ask("/jobs/1", "POST", "", form | basic).status == 403


SAMPLE = {"name": "orders", "queue": "orders"} | dict.fromkeys(("id", "which", "number", "filename", "deed"), "1")
OPEN = {"/log-in", "/log-out", "/static/<path:filename>"}
"""What anybody may ask for. A log-out ends only one's own session."""


def routes(shown: Shown, *methods: str) -> list[tuple[str, str]]:
    """Every route of the console, with an address of it."""
    found = []
    for rule in shown.served._application._flask.url_map.iter_rules():
        values = {name: SAMPLE[name] for name in rule.arguments}
        if "deed" in values:
            values["deed"] = "cancel" if "waiting" in rule.rule else "drop"
        _, address = rule.build(values) or ("", "")
        found += [(method, address) for method in methods if method in (rule.methods or ()) and rule.rule not in OPEN]
    return found


def test_every_route_asks_who_it_is(show: Show) -> None:
    shown = show(EVERYTHING)
    asked = routes(shown, "GET", "POST")
    assert len(asked) > 25
    for method, address in asked:
        form = FORM if method == "POST" else {}
        assert shown.ask(address, method, "reason=x", form).status in (401, 403), address


def test_a_viewer_changes_nothing_by_any_route(show: Show) -> None:
    shown = show(EVERYTHING)
    viewer = Browser(shown)
    viewer.log_in("bobs token")
    seal = viewer.seal("/")
    changes = routes(shown, "POST")
    assert len(changes) >= 9
    for _, address in changes:
        assert viewer.post(address, seal, {"reason": "x", "field": "x"}).status == 403, address


def test_no_route_that_changes_something_takes_a_form_without_the_seal(show: Show) -> None:
    shown = show(EVERYTHING)
    operator = Browser(shown)
    operator.log_in("adas token")
    for _, address in routes(shown, "POST"):
        assert UNSEALED in html.unescape(operator.post(address, "0" * 64, {"reason": "x"}).body), address
