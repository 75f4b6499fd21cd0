"""What stands before every page: from where a request comes, who sends it, and what its form has to bring.

A page of another site may send a browser here, and that browser has our cookie. So a change is taken
only from a page of our own: by the browser's word (`Sec-Fetch-Site`, `Origin`), and by a seal that
only our pages show. Where nobody is asked for a token, a name in `Host` that anybody could have made
point at us is refused (DNS rebinding).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, abort, g, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Answer

from runner.console.access import Access, Person, cookies_of, new_session
from runner.pipeline import Console, ConsoleRole
from runner.privacy.masking import mask_and_cut

Header = Callable[[str], str | None]
"""The value of a header; None: there is none."""
OPEN = ("log_in", "static")
"""Views that need no person."""
SAFE = ("GET", "HEAD", "OPTIONS")
UNSEALED = "This form is older than the console's last start, or no form of it. Reload its page and try again."
ENDED = "Your session has ended, and nothing was done. Log in, open the page anew, and do it again."
LONGEST_REASON = 500
"""Characters, as our forms have it: it is written down for each message that is meant."""
OURS = ("", "same-origin", "none")
"""What browsers say of a change that our own page makes, or the user's hand; programs say nothing."""


def cookie_name(console: Console) -> str:
    """Browsers don't tell ports apart in cookies; consoles on one machine must be."""
    return f"console-{console.listen.port}"


def add(app: Flask, access: Access, console: Console) -> None:
    """Guard every view of `app`."""
    name = cookie_name(console)

    @app.before_request
    def guarded() -> Answer | None:
        refuse_foreign(request.headers.get, request.method, access)
        session = session_of(request.headers.get, name)
        g.session = session or new_session()
        g.person = person_of(request.headers.get, name, access)
        bearer = bearer_of(request.headers.get("Authorization", ""))
        sealed = access.is_sealed(session, request.form.get("seal", "")) or access.is_token(bearer)
        unsealed = request.method not in SAFE and not sealed
        if g.person is None and request.endpoint not in OPEN and (bearer or not unsealed):
            return _asked_for_a_token()
        if unsealed:
            abort(403, UNSEALED)
        return None

    @app.after_request
    def remembered(response: Response) -> Response:
        new = g.get("session")
        if request.endpoint != "static" and new and new != session_of(request.headers.get, name):
            response.set_cookie(name, new, httponly=True, samesite="Strict", secure=console.tls is not None)
        return response

    @app.route("/log-in", methods=["GET", "POST"])
    def log_in() -> Answer:
        wanted, asked = _local(request.values.get("next", "")), request.method == "POST"
        session = access.log_in(request.form.get("token", "").strip()) if asked else None
        if session is None:
            told = {"wanted": wanted, "wrong": asked, "ended": "ended" in request.args}
            return make_response(render_template("log_in.html", **told), 403 if asked else 200)
        g.session = session
        return redirect(wanted or url_for("overview"), 303)

    @app.post("/log-out")
    def log_out() -> Answer:
        access.log_out(g.session)
        g.session = new_session()
        return redirect(url_for("log_in"), 303)

    app.context_processor(lambda: {"person": g.get("person"), "seal": access.seal_of(g.get("session") or "")})


def session_of(header: Header, name: str) -> str:
    return cookies_of(header("Cookie") or "").get(name, "")


def person_of(header: Header, name: str, access: Access, *, uses: bool = True) -> Person | None:
    """Who sends a request with these headers; `name` is that of the session's cookie. `uses`: whether the session
    lasts longer for it."""
    return access.person(session_of(header, name), bearer_of(header("Authorization") or ""), uses=uses)


def person() -> Person:
    """Who has sent the request."""
    found: Person = g.person
    return found


def need(role: ConsoleRole) -> None:
    """Go on only for somebody with this role."""
    if not person().may(role):
        abort(403, f"This needs the role {role}. The pipeline's file says who has which, under console: tokens.")


def reason() -> str:
    """Why somebody does what they do, as the form says."""
    return mask_and_cut(request.form.get("reason", "").strip(), LONGEST_REASON)


def refuse_foreign(header: Header, method: str, access: Access) -> None:
    """Refuse what other sites send. Raises Forbidden."""
    host = header("Host") or ""
    if access.stranger is not None and not is_own_name(host):
        abort(403, f"{host[:100]} may be anybody's name for this address. Ask by localhost or by the address itself.")
    if method in SAFE:
        return
    origin = header("Origin")
    theirs = origin is not None and _place(origin) != host.lower()
    if theirs or (header("Sec-Fetch-Site") or "") not in OURS:
        abort(403, "This came from a page that is not of this console.")


def is_own_name(host: str) -> bool:
    """Whether a `Host` is an address, or a name that no public DNS answers for."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    with contextlib.suppress(ValueError):
        ip_address(name.partition("%")[0])
        return True
    return bool(name) and ("." not in name or name.endswith(".localhost"))


def bearer_of(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _asked_for_a_token() -> Answer:
    """A browser that comes from another site's link brings no cookie (SameSite=Strict): it is sent here
    once more, from a page of ours, before it is asked."""
    fetch: Any = request.headers.get
    if fetch("Sec-Fetch-Site") == "cross-site" and fetch("Sec-Fetch-Mode") == "navigate" and request.method == "GET":
        g.session = None
        return make_response(render_template("again.html"))
    if (is_page := "text/html" in request.headers.get("Accept", "")) and request.method not in SAFE:
        abort(401, ENDED)
    if not is_page:
        abort(401, "Send a token as 'Authorization: Bearer TOKEN'.")
    return redirect(url_for("log_in", next=request.full_path.rstrip("?")), 303)


def _local(path: str) -> str:
    """A path of ours; empty for anything else."""
    read = path.replace("\\", "/")  # as browsers do
    ours = read.startswith("/") and not read.startswith("//") and _place(read) == ""
    return path if ours else ""


def _place(address: str) -> str | None:
    """The host of an address, and its port, as `Host` names them; None: it is no address."""
    try:
        return urlsplit(address).netloc.lower()
    except ValueError:
        return None
