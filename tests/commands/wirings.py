"""Pipelines that are drawn."""

from __future__ import annotations

from pathlib import Path

from runner.config.loader import LoadedPipeline, load

TAKE = "handler: tests.config.handlers:take, retry: {attempts: 1}"


def loaded(text: str, folder: Path) -> LoadedPipeline:
    """The pipeline of this `text`, whose schema `any.json` takes every body."""
    (folder / "any.json").write_text("true")
    (folder / "pipeline.yaml").write_text(text)
    return load(folder / "pipeline.yaml", environ={})


EVERYTHING = f"""
http:
  routes:
    POST /in: {{publish: a}}
    PUT /in: {{publish: [{{when: {{required: [x]}}, to: d}}, {{to: [a, c]}}]}}
exchanges: {{events: {{type: topic}}}}
queues:
  a: {{schema: any.json}}
  b: {{max_length: 5}}
  c: {{type: classic, bind: [{{exchange: events, key: "#"}}]}}
  d: {{}}
stages:
  one: {{consume: a, {TAKE}, publish: b}}
  two:
    consume: b
    handler: tests.config.handlers:take
    retry: {{attempts: 12, factor: 1.5, max_delay: 1m}}
    concurrency: 4
    publish:
      - {{when: {{properties: {{n: {{minimum: 3}}}}}}, to: a}}
      - to: {{exchange: events, key: done}}
  end: {{consume: c, {TAKE}}}
"""
