"""What shows a run to people."""

from __future__ import annotations

import pytest

from tests.config.files import problems_of

pytestmark = pytest.mark.usefixtures("any_schema")

TAKE = "tests.config.handlers:take"
QUEUES = "queues: {a: {}}\n"


WATCHED = f"{QUEUES}stages: {{s: {{consume: a, handler: '{TAKE}'}}}}\n"
MAIL = "mail: {to: [a@x.org], settings: {server: x, port: 25, default_sender: r@x.org}}"


@pytest.mark.parametrize(
    ("alerts", "message"),
    [
        ("{dead_letters: 0}", "alerts tells nobody; add 'mail' or 'webhook'"),
        (f"{{{MAIL}}}", "alerts tells of nothing; add what it is to watch: dead_letters, oldest, paused, not_ready"),
        (
            "{oldest: 1m, mail: {to: [Ops <a@x.org>], settings: {}}}",
            "alerts.mail.to[0] is 'Ops <a@x.org>', but must be",
        ),
        ("{oldest: 1m, mail: {to: [a@x.org], settings: {prt: 5}}}", "alerts: mail: SendMail has no setting 'prt'"),
        ("{oldest: 1m, webhook: {url: x.org}}", "alerts.webhook.url must be an http:// or https:// URL"),
        ("{oldest: 1m, webhook: {url: 'https://me:pw@x.org/'}}", "alerts.webhook.url must be an http://"),
        ("{oldest: 1m, webhook: {url: 'https://x.org:99999/'}}", "alerts.webhook.url "),
        ("{oldest: 1m, webhook: {url: 'https://x.org/', secret: short}}", "alerts.webhook.secret must be whsec_"),
        ("{oldest: 100ms, webhook: {url: 'https://x.org/'}}", "alerts.oldest is 100ms, but must be from 1s to 30d"),
    ],
)
def test_what_alerts_cannot_do_is_said_with_its_place(alerts: str, message: str) -> None:
    found = problems_of(f"{WATCHED}alerts: {alerts}\n")
    assert any(problem.message.startswith(message) and problem.line == 3 for problem in found), found
