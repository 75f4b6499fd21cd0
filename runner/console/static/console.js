// Keeps the figures of a page up to date. Without it, every page can be read all the same.
"use strict";

const QUIET = 5000; // milliseconds without a word after which the figures count as stale
const LOST = 10000; // milliseconds without a word after which the stream is asked for again: a connection may die unheard
const SHORTEST = 1000, LONGEST = 15000; // milliseconds until a lost stream is asked for again

const stream = document.querySelector("[data-stream]");
const pulse = document.querySelector("[data-pulse]");

let source = null, heard = Date.now(), opened = 0, wait = SHORTEST, again = 0;

function clock(time) {
  return `${new Date(time).toISOString().slice(11, 19)} UTC`;
}

function show(figures) {
  for (const [name, value] of Object.entries(figures)) {
    const key = CSS.escape(name);
    for (const element of document.querySelectorAll(`[data-live="${key}"]`)) element.textContent = value;
    for (const element of document.querySelectorAll(`[data-live-state="${key}"]`)) element.dataset.state = value;
    for (const element of document.querySelectorAll(`[data-live-points="${key}"]`)) element.setAttribute("points", value);
  }
}

function tell() {
  const stale = Date.now() - heard > QUIET;
  document.body.classList.toggle("stale-figures", stale);
  pulse.classList.toggle("stale", stale);
  pulse.hidden = false;
  const text = stale ? `Stale since ${clock(heard)}, trying again` : "Live";
  if (pulse.textContent !== text) pulse.textContent = text;
}

function open() {
  close();
  opened = Date.now();
  source = new EventSource(stream.dataset.stream);
  source.onmessage = (event) => {
    heard = Date.now();
    wait = SHORTEST;
    show(JSON.parse(event.data));
    tell();
  };
  source.onerror = () => {
    // A browser tries again by itself after a break, but not after an answer that is no stream.
    if (source.readyState !== EventSource.CLOSED) return;
    again = setTimeout(open, wait);
    wait = Math.min(wait * 2, LONGEST);
    leaveIfLoggedOut();
  };
}

async function leaveIfLoggedOut() {
  const answer = await fetch(stream.dataset.stream, { method: "HEAD" }).catch(() => null);
  if (answer === null || answer.status !== 401) return;
  const here = encodeURIComponent(location.pathname + location.search);
  location.replace(`${stream.dataset.logIn}?ended=1&next=${here}`);
}

function close() {
  clearTimeout(again);
  if (source) source.close();
}

function watch() {
  tell();
  if (!document.hidden && Date.now() - Math.max(heard, opened) > LOST) open();
}

if (stream) {
  open();
  setInterval(watch, 1000);
  // Nobody looks at a hidden page.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) close();
    else open();
  });
  addEventListener("pagehide", close);
}
