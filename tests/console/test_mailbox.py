"""The development mailbox."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import pytest

from runner.mailbox.maildir import keep
from tests.console.conftest import PIPELINE, Show

WITH_MAILBOX = PIPELINE + '    mailbox: {listen: "127.0.0.1:0", folder: mails}\n'


def mail(folder: Path, subject: str, html: str | None = None) -> None:
    message = EmailMessage()
    message["Subject"], message["To"], message["From"] = subject, "ada@example.com", "shop@example.com"
    message.set_content("Hello in text.\n")
    if html is not None:
        message.add_alternative(html, subtype="html")
    keep(folder / "mails", message.as_bytes(), sender="shop@example.com", recipients=["ada@example.com"])


def test_mails_are_listed_and_each_opens(show: Show, tmp_path: Path) -> None:
    shown = show(WITH_MAILBOX)
    assert "No mail yet" in shown.ask("/mailbox").body
    mail(tmp_path, "One <b>")
    mail(tmp_path, "Two")
    page = shown.ask("/mailbox").body
    assert page.index("Two") < page.index("One &lt;b&gt;")
    links = re.findall(r'href="(/mailbox/[^"]+)"', page)
    opened = shown.ask(links[0]).body
    assert "<h1>Two</h1>" in opened
    assert "Hello in text." in opened
    assert "ada@example.com" in opened
    mail(tmp_path, "Three")
    assert "<h1>Two</h1>" in shown.ask(links[0]).body, "a link leads to the same mail when others have come"


def test_a_mail_came_in_at_a_time_in_utc_as_all_times_are(
    show: Show, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = show(WITH_MAILBOX)
    mail(tmp_path, "One")
    (file,) = (tmp_path / "mails" / "new").iterdir()
    came = datetime.fromtimestamp(int(file.name.split(".")[0]), UTC)
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        page = shown.ask("/mailbox").body
    finally:
        monkeypatch.undo()
        time.tzset()
    assert f"{came:%Y-%m-%d %H:%M:%S}" in page
    assert "All times are UTC." in page


def test_the_html_is_shown_in_a_frame_that_can_do_nothing(show: Show, tmp_path: Path) -> None:
    shown = show(WITH_MAILBOX)
    mail(tmp_path, "HTML", "<script>alert(1)</script><p style='color: red'>Hello in HTML.</p>")
    [link] = set(re.findall(r'href="(/mailbox/[^"]+)"', shown.ask("/mailbox").body))
    page = shown.ask(link).body
    assert "alert(1)" not in page
    assert re.search(r'<iframe [^>]*sandbox=""', page)
    frame = shown.ask(f"{link}/html")
    assert "Hello in HTML." in frame.body
    policy = frame.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'; ")
    assert "script" not in policy
    assert frame.headers["x-frame-options"] == "SAMEORIGIN"


def test_a_mail_that_is_gone_is_a_404(show: Show) -> None:
    shown = show(WITH_MAILBOX)
    assert shown.ask("/mailbox/1").status == shown.ask("/mailbox/1/html").status == 404


def test_without_a_mailbox_there_is_no_page(show: Show) -> None:
    shown = show()
    assert shown.ask("/mailbox").status == 404
    assert "Mailbox" not in shown.ask("/").body
