"""What the pages show without running anything: blocks, links, names, figures."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import pytest

from runner import Retry, __version__
from runner.library.mail import SendMail
from stages.gateways import Approved, Charge, Declined, Pending
from stages.gateways.simulated import SimulatedGateway
from tests.docs.pages import PAGES, REFERENCE, ROOT, Block, commands, sections

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAYMENTS = (ROOT / "docs/payments.md").read_text(encoding="utf-8")
PIPELINE = (ROOT / "pipeline.yaml").read_text(encoding="utf-8")
BLOCKS = [
    pytest.param(block, id=f"{page.name}:{block.line}")
    for page in PAGES
    if page != REFERENCE
    for section in sections(page)
    for block in section.blocks
]


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("block", BLOCKS)
def test_each_block_says_what_it_is(block: Block) -> None:
    """So that none of them goes untested: a shell command is of `console`, with its output."""
    marks = {
        "console": {""},
        "yaml": {"shipped", "pipeline", "change"},
        "python": {"file"},
        "json": {"file"},
        "text": {"", "log"},
        "ini": {""},
    }
    assert block.mark in marks[block.language]
    assert block.language != "console" or list(commands(block))


def test_the_pipeline_that_is_shown_is_the_one_that_is_shipped() -> None:
    [shown] = [b for s in sections(ROOT / "README.md") for b in s.blocks if b.mark == "shipped"]
    assert shown.text in PIPELINE


def test_every_variable_of_the_shipped_pipeline_is_described_with_its_default() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| .* \| (?:`(.*)` )?\|$", PAYMENTS, re.MULTILINE)
    variables = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", PIPELINE))
    assert dict(rows) == variables


def test_every_field_of_a_payment_is_described_and_whether_it_is_needed() -> None:
    schema = json.loads((ROOT / "schemas/payment.json").read_text(encoding="utf-8"))
    rows = re.findall(r"^\| `(\w+)` \| (required|optional) \| .* \|$", PAYMENTS, re.MULTILINE)
    assert rows == [(name, "required" if name in schema["required"] else "optional") for name in schema["properties"]]


def test_the_cards_to_try_do_what_the_page_says(tmp_path: Path) -> None:
    answers = {
        "declines": (Declined, Declined),
        "is still at work": (Pending, Pending),
        "fails every time": (Retry, Retry),
        "fails once, then approves": (Retry, Approved),
        "approves, but its first answer is lost": (Retry, Approved),
    }
    mails = {
        Declined: "Payment declined",
        Approved: "Payment received",
        Pending: "Payment in progress",
        Retry: "none; ",
    }
    gateway = SimulatedGateway(timeout=0.01, charges=tmp_path / "charges.db")
    rows = re.findall(r"^\| `(\d{16})` \| (.*) \| (.*) \|$", PAYMENTS, re.MULTILINE)
    for card, does, mail in rows:
        first, second = next(answers[beginning] for beginning in answers if does.startswith(beginning))
        assert [type(_answer(gateway, card)) for _ in range(2)] == [first, second]
        assert mail.startswith(mails[second])
    gateway.__exit__(None, None, None)
    documented = re.findall(r"^ *(4\d{15}) ", SimulatedGateway.__doc__ or "", re.MULTILINE)
    assert [card for card, *_ in rows] == documented


def _answer(gateway: SimulatedGateway, card: str) -> object:
    try:
        return gateway.charge(Charge(card, card))
    except Retry as error:
        return error


def test_the_changelog_tells_of_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {__version__}" in changelog


# -- Links --------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_link_between_documents_leads_somewhere(page: Path) -> None:
    text = _without_blocks(page)
    links = re.findall(r"\[[^\]]+\]\(([^)\s]+)\)", text) + re.findall(r"^\[[^\]]+\]: (\S+)$", text, re.MULTILINE)
    for link in links:
        path, _, anchor = link.partition("#")
        if re.match(r"https?:", path):
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


def test_every_page_is_linked_from_the_readme() -> None:
    for page in PAGES[1:]:
        assert f"]({page.relative_to(ROOT).as_posix()})" in README


def test_the_readme_stays_short() -> None:
    """Its first screen says what this is; everything that can wait has a page."""
    assert len(README.splitlines()) <= 200


def test_no_page_is_longer_than_a_reader_scans() -> None:
    """docs/commands.md is looked up, command by command, and docs/pipeline-yaml.md key by key."""
    long = [page_id(page) for page in PAGES if len(page.read_text(encoding="utf-8").splitlines()) > 250]
    assert set(long) <= {"docs/commands.md", "docs/pipeline-yaml.md"}


def test_every_page_begins_with_what_it_is_for() -> None:
    """A title, then a sentence: no table, list or block."""
    for page in PAGES:
        title, empty, sentence, *_ = page.read_text(encoding="utf-8").splitlines()
        assert title.startswith("# ")
        assert not empty
        assert re.match(r"[A-Z].*[.:]", sentence), page_id(page)


def test_every_file_that_a_page_names_is_there() -> None:
    """As code in the text: `docs/x.md`, `tests/system/test_promises.py`."""
    for page in PAGES:
        for name in re.findall(r"`((?:deploy|docs|runner|schemas|stages|tests)/[\w/.-]+)`", _without_blocks(page)):
            assert (ROOT / name).exists(), f"{page_id(page)}: {name}"


def _anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", _without_blocks(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _without_blocks(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


# -- Figures ------------------------------------------------------------------------


def test_the_ratios_beside_the_peers_are_those_of_the_performance_page() -> None:
    why, performance = ((ROOT / "docs" / page).read_text(encoding="utf-8") for page in ("why.md", "performance.md"))
    ratios = re.findall(r"^\| (\w+).* \| (\d+ ×) as fast \|$", why, re.MULTILINE)
    assert [peer for peer, _ in ratios] == ["Dramatiq", "FastStream", "Celery"]
    for peer, ratio in ratios:
        assert f"{ratio} {peer}" in performance


# -- Ready-made stages ----------------------------------------------------------------


def test_every_setting_of_the_ready_mail_stage_is_described_with_its_default() -> None:
    page = (ROOT / "docs/library.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(\w+)` \| .* \| (?:`(.*)`|(required))? ?\|$", page, re.MULTILINE)
    known = inspect.signature(SendMail).parameters.values()
    shown = {inspect.Parameter.empty: "required", "": "", None: "", False: "false"}
    assert {name: default or required for name, default, required in told} == {
        parameter.name: shown.get(parameter.default, str(parameter.default)) for parameter in known
    }
