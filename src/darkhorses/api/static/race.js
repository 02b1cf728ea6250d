// The page of a race: prices over time in a chart and beside every runner, and the board as of any
// moment by a slider.

import { Chart, sparkLine, standingAt } from "./chart.js";
import { now } from "./clock.js";

const main = document.getElementById("main");
const raceId = main.dataset.race;
const choice = document.getElementById("chart-runner");
const legend = document.getElementById("chart-legend");
const rangeText = document.getElementById("chart-range");
const whole = document.getElementById("chart-whole");
const slider = document.getElementById("at");
const toNow = document.getElementById("at-now");
const REFRESH = 10000;
const COLORS = 8;
const seconds = new Intl.DateTimeFormat("en-GB", {
  timeZone: "Europe/London", hour: "2-digit", minute: "2-digit", second: "2-digit",
});
const weekday = new Intl.DateTimeFormat("en-GB", { timeZone: "Europe/London", weekday: "short" });

const hidden = new Set();
let series = null; // every runner's best price
let lines = [];

const chart = new Chart(document.getElementById("chart"), {
  onRange: (range) => {
    whole.disabled = range === null;
    showReading(null);
  },
  onRead: showReading,
});

// --- reading the history -----------------------------------------------------------------------

async function history(query) {
  const pages = [];
  let from = null;
  do {
    const parameters = new URLSearchParams({ ...query, limit: "20000", ...(from ? { from } : {}) });
    const answer = await fetch(`/api/races/${encodeURIComponent(raceId)}/history?${parameters}`, {
      signal: AbortSignal.timeout(15000),
    });
    if (!answer.ok) throw new Error(`the history answered ${answer.status}`);
    const page = await answer.json();
    pages.push(page);
    from = page.next_from;
  } while (from !== null);
  return pages;
}

const pointOf = ({ at, price }) => ({
  at: Date.parse(at),
  decimal: price === null ? null : price.odds_decimal,
  fraction: price?.odds_fractional ?? null,
});

function text(point) {
  if (!point || point.decimal === null) return "–";
  const isFraction = document.documentElement.dataset.odds !== "decimal" && point.fraction?.includes("/");
  if (!isFraction) return point.decimal.toFixed(2);
  return point.fraction === "1/1" ? "Evens" : point.fraction;
}

function joined(pages, pick) {
  const found = new Map();
  for (const page of pages) {
    for (const runner of page.runners) {
      for (const one of pick(runner)) {
        const key = one.bookmaker_id ?? runner.horse_id;
        if (!found.has(key)) found.set(key, { key, runner, name: one.bookmaker_name, kind: one.bookmaker_type, points: [] });
        found.get(key).points.push(...one.points.map(pointOf));
      }
    }
  }
  return [...found.values()];
}

async function load() {
  const pages = await history({ best_only: "true" });
  series = joined(pages, (runner) => [runner.best]);
  for (const one of series) one.name = one.runner.horse_name;
  offerRunners();
  showSparks();
  offerMoments();
  await showChart();
}

function offerRunners() {
  const offered = new Set([...choice.options].map((option) => option.value));
  for (const { runner } of series) {
    if (!offered.has(runner.horse_id)) choice.append(new Option(`${runner.horse_name}, every bookmaker`, runner.horse_id));
  }
  const asked = new URLSearchParams(location.search).get("runner");
  if (asked && choice.value === "" && !choice.dataset.touched) choice.value = asked;
}

function showSparks() {
  for (const { key, points } of series) {
    const spark = sparkLine(points, now());
    if (spark) document.querySelector(`[data-spark="${CSS.escape(key)}"]`)?.replaceChildren(spark);
  }
}

// --- the chart ---------------------------------------------------------------------------------

async function showChart() {
  const horseId = choice.value;
  let found = series;
  if (horseId) {
    const pages = await history({ horse_id: horseId });
    if (choice.value !== horseId) return;
    const best = series.find((one) => one.key === horseId);
    found = [
      { ...best, key: "best", name: "best price", strong: true },
      ...joined(pages, (runner) => [...runner.bookmakers, ...runner.exchanges]),
    ];
  } else {
    found = [...series].sort((one, other) => last(one) - last(other));
  }
  lines = found.map((one, index) => ({
    ...one,
    color: index % COLORS,
    dash: ["", "6 3", "2 3", "8 3 2 3"][Math.floor(index / COLORS) % 4],
    hidden: hidden.has(`${horseId}/${one.key}`),
  }));
  showLegend(horseId);
  chart.show(lines, now());
}

const last = ({ points }) => points.findLast((point) => point.decimal !== null)?.decimal ?? Infinity;

function showLegend(horseId) {
  const known = new Map([...legend.children].map((item) => [item.dataset.line, item]));
  const items = lines.map((line) => {
    const id = `${horseId}/${line.key}`;
    const item = known.get(id) ?? legendItem(id);
    const button = item.firstChild;
    button.children[0].className = `line-${line.color}`;
    button.setAttribute("aria-pressed", String(!line.hidden));
    button.children[0].setAttribute("data-dash", line.dash ? "yes" : "");
    button.children[1].textContent = line.name + (line.kind === "exchange" ? " (exchange)" : "");
    return item;
  });
  if (items.length !== legend.children.length || items.some((item, index) => item !== legend.children[index])) {
    legend.replaceChildren(...items);
  }
  showReading(chart.reading);
}

function legendItem(id) {
  const item = document.createElement("li");
  item.dataset.line = id;
  const button = document.createElement("button");
  button.type = "button";
  button.append(document.createElement("i"), document.createElement("span"), document.createElement("b"));
  button.addEventListener("click", () => {
    if (!hidden.delete(id)) hidden.add(id);
    for (const line of lines) line.hidden = hidden.has(`${choice.value}/${line.key}`);
    button.setAttribute("aria-pressed", String(!hidden.has(id)));
    chart.draw();
  });
  item.append(button);
  return item;
}

function showReading(at) {
  const moment = at ?? now();
  rangeText.textContent = at === null ? "Drag to zoom, arrow keys to read." : `${weekday.format(at)} ${seconds.format(at)}`;
  [...legend.children].forEach((item, index) => {
    const line = lines[index];
    if (line) item.querySelector("b").textContent = text(standingAt(line.points, moment));
  });
}

choice.addEventListener("change", () => {
  choice.dataset.touched = "yes";
  const query = new URLSearchParams(location.search);
  if (choice.value) query.set("runner", choice.value);
  else query.delete("runner");
  replace(query);
  chart.zoom(null);
  showChart().catch(tellFailure);
});
whole.addEventListener("click", () => chart.zoom(null));
document.documentElement.addEventListener("odds-chosen", () => showReading(chart.reading));

// --- the board as of any moment ----------------------------------------------------------------

let first = null;

function offerMoments() {
  const starts = series.flatMap(({ points }) => (points.length ? [points[0].at] : []));
  if (!starts.length) return;
  first = Math.min(...starts);
  slider.disabled = false;
  toNow.disabled = false;
  const at = new URLSearchParams(location.search).get("at");
  if (at && !Number.isNaN(Date.parse(at))) slider.value = String(shareOf(Date.parse(at)));
  sayMoment();
}

const until = () => Math.min(now(), Date.parse(main.dataset.over ?? "") || Infinity);
const shareOf = (at) => Math.round((1000 * (at - first)) / (until() - first));
const chosen = () => (slider.value === slider.max ? null : first + (Number(slider.value) / 1000) * (until() - first));

function sayMoment() {
  const at = chosen();
  const said = at === null ? "now" : `${weekday.format(at)} ${seconds.format(at)}`;
  slider.setAttribute("aria-valuetext", said);
  const node = document.getElementById("at-said");
  if (node) node.textContent = said;
}

let timer = null;
function choose() {
  sayMoment();
  clearTimeout(timer);
  timer = setTimeout(() => {
    const query = new URLSearchParams(location.search);
    const at = chosen();
    if (at === null) query.delete("at");
    else query.set("at", new Date(Math.round(at / 1000) * 1000).toISOString().replace(".000Z", "Z"));
    replace(query);
    main.dispatchEvent(new Event("moment-chosen"));
  }, 120);
}

function replace(query) {
  window.history.replaceState(null, "", location.pathname + (query.size ? `?${query}` : ""));
}

slider.addEventListener("input", choose);
toNow.addEventListener("click", () => {
  slider.value = slider.max;
  choose();
});
main.addEventListener("refreshed", () => {
  sayMoment();
  if (series) showSparks();
});

function tellFailure(error) {
  rangeText.textContent = `The history cannot be read just now (${error.message}).`;
}

async function keepLoading() {
  try {
    if (!document.hidden) await load();
  } catch (error) {
    tellFailure(error);
  }
  setTimeout(keepLoading, REFRESH);
}
keepLoading();
