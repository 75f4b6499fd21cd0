"""The HTTP intake: a request becomes messages, and 202 is answered when they are stored.

    app.py       a Flask app: routes, health, and whatever is wrong
    rsgi.py      the same on granian's event loop: the short way for the routes
    desk.py      the bodies of one route: checked, and turned into messages
    problems.py  what is answered, 202 or a problem (RFC 9457)
    health.py    /health/live and /health/ready

Left out: serving. Granian does, or Werkzeug's server in an `Engine`.
"""
