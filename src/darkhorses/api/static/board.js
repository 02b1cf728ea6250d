// Keeps the board up to date: asks for news, and changes only what changed on the page.
// The words are those of api/pages.py, which paints the page first; change both together.

const POLL_EVERY = 2000;
const HEALTH_EVERY = 3000;
const SLOWEST = 10000;
const STALE_WITHOUT_ANSWER = 15000;
const STATUS_NAMES = {
  starting: "Starting",
  ok: "Live",
  degraded: "Degraded",
  stale: "Stale: prices may be out of date",
  offline: "Offline: trying to reach the service",
};
const MARK_NAMES = { F: "Favourite", JF: "Joint favourite", CF: "Co-favourite" };

const clock = new Intl.DateTimeFormat("en-GB", { timeZone: "Europe/London", hour: "2-digit", minute: "2-digit" });
const dayOf = new Intl.DateTimeFormat("en-CA", { timeZone: "Europe/London" });
const weekday = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", weekday: "short" });
const dayAndMonth = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", day: "numeric", month: "short" });

const board = document.getElementById("main");
const templates = Object.fromEntries(
  ["card", "runner", "absent"].map((name) => [name, document.getElementById(`${name}-template`).content.firstElementChild]),
);
const races = new Map(); // race_id → { race, card }
const lastPrices = new Map(); // race_id/horse_id → { decimal, fraction, moved }
let serverOffset = 0;
let lastAnswerAt = Date.now();
let health = null;

const now = () => Date.now() + serverOffset;

function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function ask(url, tag) {
  const headers = tag ? { "If-None-Match": tag } : {};
  return fetch(url, { cache: "no-store", headers, signal: AbortSignal.timeout(8000) });
}

// --- words -------------------------------------------------------------------------------------

function span(milliseconds) {
  const seconds = Math.floor(Math.max(milliseconds, 0) / 1000);
  const minutes = Math.floor(seconds / 60);
  return minutes >= 60
    ? `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`
    : `${minutes}:${String(seconds % 60).padStart(2, "0")}`;
}

function age(milliseconds) {
  const seconds = Math.floor(Math.max(milliseconds, 0) / 1000);
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;
}

function day(raceDate) {
  const today = dayOf.format(now());
  if (raceDate === today) return "";
  const date = Date.parse(raceDate);
  return (Math.abs(date - Date.parse(today)) < 7 * 86400000 ? weekday : dayAndMonth).format(date);
}

function facts(race) {
  const runners = race.runners === 1 ? "1 runner" : `${race.runners} runners`;
  return [runners, race.race_class, race.race_type, race.distance, race.going].filter(Boolean).join(" · ");
}

function fraction(runner) {
  if (runner.best_odds_fractional === "1/1") return "Evens";
  return runner.best_odds_fractional ?? (runner.best_odds_decimal === null ? "no price" : "");
}

function bookmakers(runner) {
  if (runner.best_bookmaker === null) return "";
  const others = runner.best_bookmakers.length - 1;
  return others ? `${runner.best_bookmaker} +${others}` : runner.best_bookmaker;
}

// --- one card ----------------------------------------------------------------------------------

function meet(race) {
  let known = races.get(race.race_id);
  if (!known) {
    const painted = board.querySelector(`[data-race-id="${CSS.escape(race.race_id)}"]`);
    const card = painted ?? templates.card.cloneNode(true);
    card.dataset.raceId = race.race_id;
    known = { card };
    races.set(race.race_id, known);
  }
  known.race = race;
  known.nextAt = race.next_phase_time === null ? null : Date.parse(race.next_phase_time);
  known.offAt = Date.parse(race.off_dt);
  known.checkedAt = Date.parse(race.checked_at);
}

function show(race) {
  const known = races.get(race.race_id);
  const { card } = known;
  say(card.querySelector(".off"), race.race_time);
  say(card.querySelector(".course"), race.course);
  say(card.querySelector(".day"), day(race.race_date));
  say(card.querySelector(".name"), race.race_name);
  say(card.querySelector(".facts"), facts(race));
  showRunners(card.querySelector("tbody"), race);
  place(known, race.stage);
  tickCard(known);
}

function showRunners(body, race) {
  const rows = new Map([...body.rows].map((row) => [row.dataset.horseId, row]));
  const wanted = [
    ...race.runners_data.map((runner) => [runner, "runner", showRunner]),
    ...race.absent_runners.map((horse) => [horse, "absent", showAbsent]),
  ];
  wanted.forEach(([horse, kind, fill], position) => {
    let row = rows.get(horse.horse_id);
    if (!row || row.classList.contains("absent") !== (kind === "absent")) {
      row?.remove();
      row = templates[kind].cloneNode(true);
      row.dataset.horseId = horse.horse_id;
    }
    rows.delete(horse.horse_id);
    fill(row, horse, race);
    if (body.rows[position] !== row) body.insertBefore(row, body.rows[position] ?? null);
  });
  rows.forEach((row) => row.remove());
}

function showRunner(row, runner, race) {
  const mark = row.querySelector(".mark");
  say(row.querySelector(".number"), runner.horse_number === null ? "" : String(runner.horse_number));
  say(row.querySelector(".horse"), runner.horse_name);
  say(mark, runner.favorite_mark ?? "");
  mark.title = MARK_NAMES[runner.favorite_mark] ?? "";
  say(row.querySelector(".jockey"), runner.jockey ?? "");
  say(row.querySelector(".fraction"), fraction(runner));
  say(row.querySelector(".decimal"), runner.best_odds_decimal === null ? "" : runner.best_odds_decimal.toFixed(2));
  say(row.querySelector(".bookmaker"), bookmakers(runner));
  row.querySelector(".bookmaker").title = runner.best_bookmakers.join(", ");
  showMove(row, runner, `${race.race_id}/${runner.horse_id}`);
}

function showMove(row, runner, key) {
  const before = lastPrices.get(key);
  const decimal = runner.best_odds_decimal;
  const text = fraction(runner) || String(decimal);
  lastPrices.set(key, { decimal, text });
  if (!before || before.decimal === decimal || before.text === text) return;
  const move = row.querySelector(".move");
  const price = row.querySelector(".price");
  const word = before.decimal === null || decimal === null ? "" : decimal < before.decimal ? "shorter" : "longer";
  move.className = `move ${word}`.trim();
  say(move, word === "" ? "" : word === "shorter" ? "▼" : "▲");
  move.title = word === "" ? "" : `${word}, was ${before.text}`;
  if (word !== "") {
    const spoken = document.createElement("span");
    spoken.className = "hidden";
    spoken.textContent = ` ${word}, was ${before.text}`;
    move.append(spoken);
  }
  price.classList.remove("moved");
  requestAnimationFrame(() => price.classList.add("moved"));
}

function showAbsent(row, horse) {
  say(row.querySelector(".number"), horse.horse_number === null ? "" : String(horse.horse_number));
  say(row.querySelector(".horse"), horse.horse_name);
  say(row.querySelector(".why"), horse.reason === "reserve" ? "Reserve" : "Non-runner");
}

// --- columns -----------------------------------------------------------------------------------

function place(known, stage) {
  const list = board.querySelector(`[data-stage="${stage}"] .cards`);
  const after = [...list.children].find((card) => card !== known.card && isBefore(known, races.get(card.dataset.raceId)));
  const isThere = known.card.parentElement === list && known.card.nextElementSibling === (after ?? null);
  if (!isThere) keepingFocus(() => list.insertBefore(known.card, after ?? null));
}

function isBefore(one, other) {
  return other?.race !== undefined && (one.offAt - other.offAt || (one.race.race_id < other.race.race_id ? -1 : 1)) < 0;
}

function keepingFocus(change) {
  const focused = document.activeElement;
  change();
  if (focused !== document.activeElement) focused?.focus({ preventScroll: true });
}

function count() {
  for (const column of board.querySelectorAll("[data-stage]")) {
    const cards = String(column.querySelector(".cards").childElementCount);
    document.querySelectorAll(`[data-count="${column.dataset.stage}"]`).forEach((node) => say(node, cards));
  }
}

function tickCard(known) {
  const { card, race } = known;
  if (known.nextAt !== null && now() > known.nextAt) {
    known.nextAt = null;
    place(known, race.next_phase);
    count();
  }
  const left = known.offAt - now();
  card.classList.toggle("late", left < 0);
  say(card.querySelector(".countdown"), left < 0 ? `+${span(-left)} late` : `in ${span(left)}`);
  say(
    card.querySelector(".next"),
    race.next_phase_time === null ? "Last stage" : `${race.next_phase_name} at ${clock.format(Date.parse(race.next_phase_time))}`,
  );
  const isStale = race.stale || Date.now() - lastAnswerAt > STALE_WITHOUT_ANSWER;
  card.classList.toggle("stale", isStale);
  say(card.querySelector(".checked"), `${isStale ? "stale," : "checked"} ${age(now() - known.checkedAt)} ago`);
}

// --- the strip ---------------------------------------------------------------------------------

function tickStrip() {
  const isOffline = Date.now() - lastAnswerAt > POLL_EVERY * 3;
  const status = isOffline ? "offline" : (health?.status ?? document.querySelector(".strip").dataset.status);
  document.querySelector(".strip").dataset.status = status;
  say(document.getElementById("state"), STATUS_NAMES[status] ?? status);
  const reasons = isOffline ? ["Prices are as last seen."] : (health?.reasons ?? null);
  if (reasons !== null) showReasons(reasons);
  const looked = health?.market.checked_at;
  if (looked) say(document.getElementById("last-look"), `Last look at the feed ${age(now() - Date.parse(looked))} ago`);
}

function showReasons(reasons) {
  const list = document.getElementById("reasons");
  const shown = [...list.children].map((item) => item.textContent);
  if (shown.length === reasons.length && reasons.every((reason, index) => reason === shown[index])) return;
  list.replaceChildren(
    ...reasons.map((reason) => Object.assign(document.createElement("li"), { textContent: reason })),
  );
}

// --- asking ------------------------------------------------------------------------------------

let racesTag = null;

async function askForRaces() {
  const answer = await ask("/api/live-odds/races-by-stage?all_odds=false", racesTag);
  lastAnswerAt = Date.now();
  if (answer.status === 304) return;
  if (!answer.ok) throw new Error(`races-by-stage answered ${answer.status}`);
  const body = await answer.json();
  racesTag = answer.headers.get("ETag");
  const present = Object.values(body.stages).flat();
  const ids = new Set(present.map((race) => race.race_id));
  present.forEach(meet);
  present.forEach(show);
  for (const card of board.querySelectorAll("[data-race-id]")) {
    if (!ids.has(card.dataset.raceId)) {
      races.delete(card.dataset.raceId);
      card.remove();
    }
  }
  count();
}

async function askForHealth() {
  const asked = Date.now();
  const answer = await ask("/health");
  const answered = Date.now();
  const body = await answer.json();
  lastAnswerAt = answered;
  serverOffset = Date.parse(body.timestamp) - (asked + answered) / 2;
  health = body;
}

function repeat(job, interval) {
  let failures = 0;
  let timer = null;
  let isRunning = false;
  const run = async () => {
    clearTimeout(timer);
    if (document.hidden || isRunning) return;
    isRunning = true;
    try {
      await job();
      failures = 0;
    } catch {
      failures += 1;
    }
    isRunning = false;
    tick();
    timer = setTimeout(run, Math.min(interval * 2 ** Math.min(failures, 5), Math.max(SLOWEST, interval)));
  };
  document.addEventListener("visibilitychange", run);
  addEventListener("online", run);
  run();
}

function tick() {
  tickStrip();
  races.forEach(tickCard);
}

repeat(askForHealth, HEALTH_EVERY);
repeat(askForRaces, POLL_EVERY);
setInterval(tick, 1000);
