// Keeps the changing part of a page (#live) up to date. The stream only wakes it: what is new is
// asked for as a whole part, with its tag, so that nothing is missed and "unchanged" costs nothing.

import { morph } from "./morph.js";
import { startClock } from "./clock.js";

const AT_MOST_EVERY = 1000;
const AT_LEAST_EVERY = 5000;
const SLOWEST = 15000;
const TIMEOUT = 8000;

export function keepLive(main) {
  const state = { tag: null, failures: 0, timer: null, asking: null, again: false, askedAt: 0, paused: false };
  const clock = startClock(() => ask());

  const address = () => main.dataset.part + partQuery();
  // A past moment does not change: once it is shown nothing is asked for.
  const isPast = () => document.getElementById("live").hasAttribute("data-past") && state.tagged === address();

  async function ask() {
    if (state.asking) {
      state.again = true;
      return;
    }
    if (state.paused || document.hidden || isPast()) return;
    clearTimeout(state.timer);
    const wait = state.askedAt + AT_MOST_EVERY - Date.now();
    if (wait > 0) {
      state.timer = setTimeout(ask, wait);
      return;
    }
    state.askedAt = Date.now();
    state.asking = new AbortController();
    try {
      await refresh(state.asking.signal);
      state.failures = 0;
      setOffline(false);
    } catch (error) {
      if (!state.again) state.failures += 1;
      if (state.failures > 1) setOffline(true);
    }
    state.asking = null;
    const soon = state.again && state.failures === 0;
    state.again = false;
    state.timer = setTimeout(ask, soon ? 0 : pauseAfter(state.failures));
  }

  async function refresh(signal) {
    const asked = Date.now();
    const url = address();
    const answer = await fetch(url, {
      cache: "no-store",
      headers: state.tag && state.tagged === url ? { "If-None-Match": state.tag } : {},
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]),
    });
    const date = Date.parse(answer.headers.get("Date") ?? "");
    const pace = Number(answer.headers.get("Darkhorses-Pace") ?? 1);
    // A date is of a whole second, and was half the way of the answer ago.
    if (!Number.isNaN(date)) clock.set(date + 500 + ((Date.now() - asked) / 2) * pace, pace);
    if (answer.status === 304) return;
    if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (state.paused || url !== address()) return;
    const next = page.getElementById("live");
    if (next === null) throw new Error(`${url} has no live part`);
    state.tag = answer.headers.get("ETag");
    state.tagged = url;
    morph(document.getElementById("live"), document.adoptNode(next));
    clock.tick();
    main.dispatchEvent(new Event("refreshed"));
  }

  function setOffline(isOffline) {
    document.documentElement.classList.toggle("offline", isOffline);
    const note = document.getElementById("offline");
    const text = isOffline ? "Offline: trying to reach the service. Prices are as last seen." : "";
    if (note && note.textContent !== text) note.textContent = text;
  }

  function pause(paused) {
    state.paused = paused;
    document.documentElement.classList.toggle("paused", paused);
    if (!paused) ask();
  }

  // Another address of the same page: its part is asked for at once.
  function askAnew() {
    state.asking?.abort();
    state.askedAt = 0;
    state.again = true;
    ask();
  }

  document.addEventListener("visibilitychange", ask);
  main.addEventListener("moment-chosen", askAnew);
  addEventListener("online", ask);
  addEventListener("pageshow", (event) => event.persisted && ask());
  if (main.dataset.wake) wakeBy(main.dataset.wake, ask);
  ask();
  return {
    ask,
    pause,
    get paused() {
      return state.paused;
    },
    show(search) {
      history.replaceState(null, "", location.pathname + search);
      askAnew();
    },
  };
}

// What of the page's address its part is asked with: "runner" is the chart's alone.
function partQuery() {
  const query = new URLSearchParams(location.search);
  query.delete("runner");
  return query.size ? `?${query}` : "";
}

// After a failure soon, then ever later, and never all visitors at the same moment.
function pauseAfter(failures) {
  if (failures === 0) return AT_LEAST_EVERY;
  return Math.min(AT_MOST_EVERY * 2 ** (failures - 1), SLOWEST) * (0.75 + Math.random() / 2);
}

// The stream says that something happened; after a break it connects again by itself.
function wakeBy(url, wake) {
  let source = null;
  const open = () => {
    source = new EventSource(url);
    for (const kind of ["price", "race", "non_runner", "result", "status", "resync"]) {
      source.addEventListener(kind, () => wake());
    }
    source.onopen = () => wake();
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) setTimeout(open, SLOWEST * (0.5 + Math.random()));
    };
  };
  open();
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => event.persisted && open());
}
