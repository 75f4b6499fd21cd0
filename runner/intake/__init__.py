"""The HTTP intake: a request becomes messages, and gets 202 when they are stored.

    app.py         a Flask app: routes, health, and whatever is wrong
    rsgi.py        the same on granian's event loop: a short way for the routes
    wsgi.py        between RSGI and the Flask app
    arrivals.py    how a body comes in: its size, its time, and what a stop drops
    promise.py     a result that comes on another thread
    landing.py     the same, for those who wait on the event loop
    signatures.py  signed requests, as Standard Webhooks has them
    gate.py        who posts, and whether that is too often
    desk.py        the bodies of one route: checked, and turned into messages
    register.py    what the ledger remembers of a request, and whether it was answered before
    waiting.py     requests that wait for the end of their message
    status.py      how a message stands: the resource that a 202 points to
    openapi.py     the intake as an OpenAPI document
    problems.py    the answers and their words: 202, 400, 413, 422, 503 … (problems, RFC 9457)
    health.py      /health/live, /health/ready and /health/pipeline
    survey.py      what the broker last reported about its queues
    rotation.py    a listener's certificate, and new ones, judged
    reserve.py     a small HTTP server for health, where nothing else answers
    connections.py room for them, and how a process leaves them to its successor
    lifetime.py    granian's own process, from the start of its event loop to its end
    serving.py     granian, with limits on what a client may hold

Left out: the processes (`runner.processes`), and Werkzeug's server in an `Engine`.
"""
