"""The console as a person uses it, in a real browser."""

from __future__ import annotations

import re
import select
import socket
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from runner.audit import read_trail, who
from runner.mailbox.maildir import keep
from runner.message import Destination, Outgoing
from tests.console.browser import SCHEMES, WIDTHS, chromium, findings, page
from tests.console.conftest import PIPELINE, Show, Shown, bury
from tests.console.test_guard import ASKING
from tests.tcp_server import TcpServer
from tests.waiting import wait_until

__all__ = ["chromium", "page"]

WITH_MAILBOX = PIPELINE + '    mailbox: {listen: "127.0.0.1:0", folder: mails}\n    ledger: sqlite:ledger.db\n'


@pytest.fixture
def shop(show: Show, tmp_path: Path) -> Shown:
    """With dead letters, and a mail."""
    shown = show(WITH_MAILBOX)
    bury(shown, "order-1", "order-2", error="order 17 is refused")
    bury(shown, "order-3", error="no money")
    wait_until(lambda: shown.served.ready)
    wait_until(lambda: "3 dead letters" in shown.ask("/").body)
    mail = EmailMessage()
    mail["Subject"], mail["To"], mail["From"] = "Your order", "ada@example.com", "shop@example.com"
    mail.set_content("Thank you.\n")
    html = "<h1 style='color: teal'>Thank you, in HTML</h1><script>document.title='x'</script>"
    mail.add_alternative(html, subtype="html")
    keep(tmp_path / "mails", mail.as_bytes(), sender="shop@example.com", recipients=["ada@example.com"])
    return shown


def url(shown: Shown, path: str = "/") -> str:
    return f"http://localhost:{shown.port}{path}"


def test_the_figures_change_while_one_looks(page: Page, shop: Shown) -> None:
    page.goto(url(shop))
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    row = page.get_by_role("row", name="orders")
    expect(row.get_by_role("cell").nth(0)).to_have_text("0")
    shop.broker.publish([Outgoing(Destination("", "orders"), f"m{n}", b"{}") for n in range(1204)])
    expect(row.get_by_role("cell").nth(0)).to_have_text("1,204")
    expect(page.locator(".graph.along").get_by_text("1,204")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("check has no worker; bill has no worker; 3 dead letters.")


def test_an_operator_replays_a_kind_of_error_after_seeing_the_plan(page: Page, shop: Shown, tmp_path: Path) -> None:
    page.goto(url(shop))
    page.get_by_role("link", name="Dead letters").click()
    row = page.get_by_role("row").filter(has_text="order … is refused")
    expect(row.get_by_role("cell").first).to_have_text("2")
    row.get_by_role("link", name="Replay…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Replay 2 dead letters")
    page.get_by_label("Reason").fill("the bank is back")
    page.get_by_role("button", name="Replay them").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Replayed 2 dead letters")
    assert shop.broker.depths(["orders"])["orders"].ready == 2
    page.get_by_role("link", name="Audit trail").click()
    expect(page.get_by_role("row").filter(has_text="the bank is back")).to_have_count(2)
    assert {deed["id"] for deed in read_trail(tmp_path, 9)} == {"order-1", "order-2"}


def test_an_operator_edits_a_dead_letter_and_sends_it_after_seeing_what_is_sent(
    page: Page, shop: Shown, tmp_path: Path
) -> None:
    page.goto(url(shop, "/dead/orders/order-3"))
    page.get_by_role("link", name="Edit…").click()
    page.get_by_label("Body").fill("{")
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_role("alert")).to_contain_text("It can't be sent: it is not JSON")
    assert findings(page) == []
    page.get_by_label("Body").fill('{"amount": 7}')
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text('"amount": 7')).to_be_visible()
    assert findings(page) == []
    assert shop.broker.depths(["orders"])["orders"].ready == 0
    page.get_by_role("button", name="Go on editing").click()
    page.get_by_label("Body").fill('{"amount": 8}')
    page.get_by_role("button", name="Check").click()
    page.get_by_label("Reason").fill("a typing error")
    page.get_by_role("button", name="Send it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sent again as edited")
    assert findings(page) == []
    assert shop.broker.depths(["orders"])["orders"].ready == 1
    page.get_by_role("link", name="Audit trail").click()
    expect(page.get_by_role("row").filter(has_text="a typing error")).to_have_count(1)


def test_a_dead_letter_is_dropped_with_a_reason_and_not_without(page: Page, shop: Shown) -> None:
    page.goto(url(shop, "/dead"))
    page.get_by_role("link", name="order-3").click()
    expect(page.get_by_text("no money").first).to_be_visible()
    page.get_by_role("link", name="Drop…").click()
    page.get_by_role("button", name="Drop it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Drop 1 dead letter")  # still: the reason is missing
    page.get_by_label("Reason").fill("it was a test")
    page.get_by_role("button", name="Drop it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Dropped 1 dead letter")
    page.get_by_role("link", name="Dead letters").first.click()
    expect(page.get_by_text("no money")).to_have_count(0)


def test_an_operator_pauses_a_stage_and_resumes_it(page: Page, shop: Shown) -> None:
    page.goto(url(shop, "/queues/orders"))
    page.get_by_role("link", name="Pause…").click()
    page.get_by_label("Reason").fill("the bank is down")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text(f"Paused by {who()}: the bank is down.")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("link", name="Pause…")).to_be_visible()


def test_an_operator_cancels_one_that_waits_and_drains_the_others(page: Page, shop: Shown, tmp_path: Path) -> None:
    shop.broker.publish([Outgoing(Destination("", "orders"), f"m{n}", b'{"n": 1}') for n in range(3)])
    page.goto(url(shop, "/queues/orders"))
    page.get_by_role("link", name="What waits…").click()
    page.get_by_role("button", name="Look").click()
    expect(page.get_by_role("heading", level=2)).to_have_text(["m0", "m1", "m2"])
    assert findings(page) == []
    page.get_by_role("button", name="Cancel m1…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Cancel 1 message")
    assert findings(page) == []
    page.get_by_role("button", name="Cancel it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Cancel 1 message")  # still: the reason is missing
    page.get_by_label("Reason").fill("a test order")
    page.get_by_role("button", name="Cancel it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Cancelled 1 message")
    page.get_by_role("link", name="Waiting on orders").first.click()
    page.get_by_role("button", name="Look").click()
    expect(page.get_by_role("heading", level=2)).to_have_text(["m0", "m2"])
    page.get_by_role("button", name="Drain all of these…").click()
    page.get_by_label("Reason").fill("a move")
    page.get_by_role("button", name="Drain them").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Drained 2 messages")
    assert findings(page) == []
    [file] = (tmp_path / "var" / "drained").iterdir()
    expect(page.get_by_text(f"runner queue fill var/drained/{file.name}")).to_be_visible()
    assert shop.broker.depths(["orders"])["orders"].ready == 0


def test_a_mail_is_shown_as_its_reader_sees_it_and_runs_nothing(page: Page, shop: Shown) -> None:
    page.goto(url(shop, "/mailbox"))
    page.get_by_role("link", name="Your order").click()
    frame = page.frame_locator("iframe")
    heading = frame.get_by_role("heading", name="Thank you, in HTML")
    expect(heading).to_be_visible()
    expect(heading).to_have_css("color", "rgb(0, 128, 128)")
    expect(page).to_have_title("Your order · shop")
    assert page.frames[1].title() != "x"


def test_a_lost_stream_says_since_when_the_page_is_stale_and_comes_back_by_itself(page: Page, shop: Shown) -> None:
    page.goto(url(shop))
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    shop.served.stop()
    expect(page.get_by_text("Stale since")).to_be_visible(timeout=60_000)
    shop.serve_again()
    expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=60_000)


class DeadLine(TcpServer):
    """A way to a console that can die unheard: `die`, and its connections bring nothing any more, and stay open."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._dead: set[int] = set()
        super().__init__()

    def die(self) -> None:
        """New connections are served."""
        self._dead.update(range(self.connections))

    def talk(self, connection: socket.socket, number: int) -> None:
        with connection, socket.create_connection(("127.0.0.1", self._to)) as console:
            other = {connection: console, console: connection}
            while not self.over.is_set():
                for one in select.select(list(other), [], [], 0.1)[0]:
                    if number in self._dead:
                        self.over.wait()
                    elif told := one.recv(65536):
                        other[one].sendall(told)
                    else:
                        return


def test_a_stream_whose_connection_has_died_unheard_is_asked_for_again(page: Page, shop: Shown) -> None:
    with DeadLine(shop.port) as line:
        page.goto(f"http://localhost:{line.port}/")
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        line.die()
        expect(page.get_by_text(re.compile(r"^Stale since \d\d:\d\d:\d\d UTC, trying again$"))).to_be_visible(
            timeout=60_000
        )
        shop.broker.publish([Outgoing(Destination("", "orders"), "m", b"{}")])
        expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=60_000)
        expect(page.get_by_role("row", name="orders").get_by_role("cell").nth(0)).to_have_text("1")
        page.goto("about:blank")


def test_by_keyboard_alone_one_comes_from_the_graph_to_a_stage(page: Page, shop: Shown) -> None:
    page.goto(url(shop))
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(3):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('href')") == "/queues/orders":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("check")


def test_without_a_script_everything_can_be_read(chromium: Browser, shop: Shown) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(url(shop))
    expect(page.locator(".graph.along").get_by_text("check", exact=True)).to_be_visible()
    expect(page.get_by_role("row", name="orders").get_by_role("cell").nth(3)).to_have_text("3")
    page.get_by_role("link", name="orders").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("check")
    context.close()


PATHS = (
    "/",
    "/queues/orders",
    "/queues/orders/pause",
    "/queues/orders/waiting",
    "/messages",
    "/messages?what=somebody",
    "/dead",
    "/dead?queue=orders",
    "/dead/orders/order-1",
    "/dead/edit?queue=orders&id=order-1",
    "/dead/replay?queue=orders",
    "/dead/drop?id=order-3",
    "/mailbox",
    "/mailbox/1",
    "/audit",
    "/file",
    "/nothing",
)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_fits_and_axe_finds_nothing(
    chromium: Browser, shop: Shown, width: int, scheme: Literal["light", "dark"]
) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    found: list[str] = []
    for path in PATHS:
        page.goto(url(shop, path))
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        found += [f"{path} is {over} px too wide"] if over > 0 else []
        found += findings(page)
    context.close()
    assert found == []


LONG = "orders_that_wait_for_the_approval_of_the_finance_department"


def test_long_names_fit_on_a_phone_and_are_broken_in_no_list_that_has_room(page: Page, show: Show) -> None:
    shown = show(PIPELINE.replace("orders", LONG).replace("check", "process_payment"))
    headers = {"runner-error": "it failed " + "because of this and that " * 6, "runner-stage": "process_payment"}
    shown.broker.publish([Outgoing(Destination("", f"{LONG}.dlq"), "m" * 32, b"{}", headers)])
    page.set_viewport_size({"width": 375, "height": 800})
    for path in ("/", f"/queues/{LONG}", "/dead", f"/dead/{LONG}/{'m' * 32}"):
        page.goto(url(shown, path))
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(url(shown, "/dead"))
    stage = page.get_by_role("link", name="process_payment")
    assert stage.evaluate("link => link.getClientRects().length") == 1


def test_one_logs_in_with_a_token_and_out_again(page: Page, show: Show) -> None:
    shown = show(ASKING)
    page.goto(url(shown, "/queues/bills"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    assert findings(page) == []
    page.get_by_label("Token").fill("something")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_have_text("This token opens nothing here.")
    page.get_by_label("Token").fill("adas token")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("bill")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")


def test_a_page_that_follows_the_figures_says_that_one_has_logged_out(page: Page, show: Show) -> None:
    shown = show(ASKING)
    page.goto(url(shown))
    page.get_by_label("Token").fill("adas token")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    other = page.context.new_page()
    other.goto(url(shown, "/queues/orders"))
    expect(other.get_by_text("Live", exact=True)).to_be_visible()
    page.bring_to_front()
    page.get_by_role("button", name="Log out").click()
    other.bring_to_front()
    expect(other.get_by_role("status")).to_have_text("You have been logged out.")
    expect(other.get_by_text("Live", exact=True)).to_have_count(0)
    assert findings(other) == []
    other.get_by_label("Token").fill("adas token")
    other.keyboard.press("Enter")
    expect(other).to_have_url(url(shown, "/queues/orders"))


@pytest.fixture
def elsewhere(shop: Shown) -> Iterator[str]:
    """Another local web page, which would drop a dead letter of ours."""
    form = f"""<!doctype html><title>x</title><form method="post" action="{url(shop, "/dead/drop")}">
        <input name="id" value="order-3"><input name="reason" value="x"><button>go</button></form>"""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(form.encode())

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_a_page_of_another_site_can_neither_act_nor_show_ours(page: Page, shop: Shown, elsewhere: str) -> None:
    page.goto(url(shop))  # so that there is a cookie
    page.goto(elsewhere)
    page.get_by_role("button").click()
    expect(page.get_by_text("This came from a page that is not of this console.")).to_be_visible()
    assert shop.broker.depths(["orders"])["orders"].dead == 3
    page.goto(elsewhere)
    page.evaluate(f"document.body.innerHTML = '<iframe src={url(shop)}></iframe>'")
    page.wait_for_load_state("networkidle")
    assert "shop" not in page.frames[1].content()
