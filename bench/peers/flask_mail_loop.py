"""Mails by Flask-Mail in a loop: `Mail.send`, which opens a connection for each, or with
`kept` one connection for all. It renders the letter once, which spares it work that the stage does.

    python -m bench.peers.flask_mail_loop PORT N [kept]
"""

from __future__ import annotations

import signal
import sys

import orjson
from flask import Flask
from flask_mail import Mail, Message

from bench.job import NOTIFICATION
from stages.letters import Letters


def main(port: int, number: int, kept: bool) -> None:
    app = Flask(__name__)
    app.config.update(MAIL_SERVER="127.0.0.1", MAIL_PORT=port, MAIL_DEFAULT_SENDER="payments@example.com")
    mail = Mail(app)
    notification = orjson.loads(NOTIFICATION)
    letter = Letters().write(notification)

    def message() -> Message:
        return Message(letter.subject, [notification["user"]], letter.text, letter.html)

    with app.app_context():
        if kept:
            with mail.connect() as connection:
                for _ in range(number):
                    connection.send(message())
        else:
            for _ in range(number):
                mail.send(message())
    signal.pause()  # until it is ended, as all programs of a benchmark are


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), "kept" in sys.argv[3:])
