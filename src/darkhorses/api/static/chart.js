// Prices over time as steps, in SVG: a line a runner or a bookmaker, up is a better chance. Hover or
// arrow keys read the prices of a moment, dragging zooms, the wheel too.

const SVG = "http://www.w3.org/2000/svg";
const PAD = { left: 52, right: 12, top: 10, bottom: 26 };
const TICKS = [1.1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 11, 15, 21, 34, 51, 101, 201];
const clock = new Intl.DateTimeFormat("en-GB", { timeZone: "Europe/London", hour: "2-digit", minute: "2-digit" });
const dayAndClock = new Intl.DateTimeFormat("en-GB", {
  timeZone: "Europe/London", weekday: "short", hour: "2-digit", minute: "2-digit",
});
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440].map((minutes) => minutes * 60000);

const element = (name, attributes = {}, text = "") => {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text) node.textContent = text;
  return node;
};

// What stood at a moment: the last point up to it.
export function standingAt(points, at) {
  let [low, high] = [0, points.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle].at <= at) low = middle + 1;
    else high = middle;
  }
  return low ? points[low - 1] : null;
}

export class Chart {
  // lines: [{ name, points: [{ at, decimal, text }], dash, hidden }], by time.
  constructor(host, { onRange, onRead }) {
    this.host = host;
    this.onRange = onRange;
    this.onRead = onRead;
    this.lines = [];
    this.range = null;
    this.reading = null;
    host.tabIndex = 0;
    new ResizeObserver(() => this.draw()).observe(host);
    host.addEventListener("pointermove", (event) => this.hover(event));
    host.addEventListener("pointerleave", () => this.drag || this.read(null));
    host.addEventListener("pointerdown", (event) => this.begin(event));
    host.addEventListener("pointerup", (event) => this.end(event));
    host.addEventListener("pointercancel", () => this.cancel());
    host.addEventListener("dblclick", () => this.zoom(null));
    host.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    host.addEventListener("keydown", (event) => this.key(event));
  }

  show(lines, until) {
    this.lines = lines;
    this.until = until;
    this.draw();
  }

  get whole() {
    const starts = this.lines.flatMap((line) => (line.points.length ? [line.points[0].at] : []));
    const from = Math.min(...starts, this.until - 60000);
    return [from, Math.max(this.until, from + 60000)];
  }

  zoom(range) {
    this.range = range;
    this.onRange(range);
    this.draw();
  }

  draw() {
    const { width, height } = this.host.getBoundingClientRect();
    if (!width || !this.lines.length) return;
    this.size = { width, height };
    const [from, to] = (this.span = this.range ?? this.whole);
    const shown = this.lines.filter((line) => !line.hidden);
    const prices = shown.flatMap((line) => visible(line.points, from, to)).map((point) => 1 / point.decimal);
    if (!prices.length) prices.push(0.05, 0.5);
    const [least, most] = [Math.min(...prices), Math.max(...prices)];
    const room = Math.max((most - least) * 0.06, 0.004);
    this.chances = [Math.max(0, least - room), Math.min(1, most + room)];
    const svg = element("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    this.axes(svg);
    for (const line of shown) svg.append(this.path(line, from, to));
    this.cursor = element("line", { class: "cursor", y1: PAD.top, y2: height - PAD.bottom, visibility: "hidden" });
    this.brush = element("rect", { class: "brush", y: PAD.top, height: Math.max(0, height - PAD.top - PAD.bottom), width: 0 });
    svg.append(this.brush, this.cursor);
    this.host.querySelector("svg")?.remove();
    this.host.prepend(svg);
    this.read(this.reading);
  }

  x(at) {
    const [from, to] = this.span;
    return PAD.left + ((at - from) / (to - from)) * (this.size.width - PAD.left - PAD.right);
  }

  at(x) {
    const [from, to] = this.span;
    const share = (x - PAD.left) / (this.size.width - PAD.left - PAD.right);
    return from + Math.min(1, Math.max(0, share)) * (to - from);
  }

  y(decimal) {
    const [least, most] = this.chances;
    const share = (1 / decimal - least) / (most - least);
    return this.size.height - PAD.bottom - share * (this.size.height - PAD.top - PAD.bottom);
  }

  axes(svg) {
    const { width, height } = this.size;
    let last = Infinity;
    for (const decimal of TICKS.toReversed()) {
      const chance = 1 / decimal;
      if (chance < this.chances[0] || chance > this.chances[1]) continue;
      const y = this.y(decimal);
      if (last - y < 18) continue;
      last = y;
      svg.append(element("line", { class: "rule", x1: PAD.left, x2: width - PAD.right, y1: y, y2: y }));
      svg.append(element("text", { x: PAD.left - 8, y: y + 4, "text-anchor": "end" }, decimal.toFixed(2)));
    }
    const [from, to] = this.span;
    const room = Math.max(2, Math.floor((width - PAD.left - PAD.right) / 90));
    const step = STEPS.find((one) => (to - from) / one <= room) ?? STEPS.at(-1);
    const format = to - from > 20 * 3600000 ? dayAndClock : clock;
    for (let at = Math.ceil(from / step) * step; at <= to; at += step) {
      if (this.x(at) > width - PAD.right - 20) break;
      svg.append(element("text", { x: this.x(at), y: height - 8, "text-anchor": "middle" }, format.format(at)));
    }
  }

  path(line, from, to) {
    const parts = [];
    let isDown = false;
    const points = around(line.points, from, to);
    points.forEach((point, index) => {
      if (point.decimal === null) {
        isDown = false;
        return;
      }
      const end = Math.min(points[index + 1]?.at ?? this.until, to);
      const [x, next, y] = [this.x(Math.max(point.at, from)), this.x(Math.max(end, from)), this.y(point.decimal)];
      parts.push(`${isDown ? "V" : `M${x.toFixed(1)} `}${y.toFixed(1)}H${next.toFixed(1)}`);
      isDown = true;
    });
    return element("path", { d: parts.join(""), class: `line line-${line.color}${line.strong ? " strong" : ""}`, "stroke-dasharray": line.dash ?? "" });
  }

  read(at) {
    this.reading = at;
    if (!this.cursor) return;
    const isShown = at !== null && at >= this.span[0] && at <= this.span[1];
    this.cursor.setAttribute("visibility", isShown ? "visible" : "hidden");
    if (isShown) {
      this.cursor.setAttribute("x1", this.x(at));
      this.cursor.setAttribute("x2", this.x(at));
    }
    this.onRead(isShown ? at : null);
  }

  place(event) {
    return event.clientX - this.host.getBoundingClientRect().x;
  }

  hover(event) {
    if (!this.span) return;
    const x = this.place(event);
    if (this.drag !== undefined && this.drag !== null) {
      this.brush.setAttribute("x", Math.min(x, this.drag));
      this.brush.setAttribute("width", Math.abs(x - this.drag));
    }
    this.read(this.at(x));
  }

  begin(event) {
    if (event.button !== 0 || !this.span) return;
    this.drag = this.place(event);
    if (event.pointerType === "mouse") this.host.setPointerCapture(event.pointerId);
  }

  end(event) {
    const begun = this.drag;
    this.cancel();
    if (begun === null || begun === undefined) return;
    const x = this.place(event);
    if (Math.abs(x - begun) < 8) return;
    const [from, to] = [this.at(Math.min(x, begun)), this.at(Math.max(x, begun))];
    if (to - from > 5000) this.zoom([from, to]);
  }

  cancel() {
    this.drag = null;
    this.brush?.setAttribute("width", 0);
  }

  wheel(event) {
    if (!this.span || !event.ctrlKey) return;
    event.preventDefault();
    this.scale(event.deltaY < 0 ? 0.8 : 1.25, this.at(this.place(event)));
  }

  scale(factor, about) {
    const [from, to] = this.span;
    const [first, last] = this.whole;
    const range = [Math.max(first, about - (about - from) * factor), Math.min(last, about + (to - about) * factor)];
    this.zoom(range[0] <= first && range[1] >= last ? null : range);
  }

  key(event) {
    if (!this.span) return;
    const [from, to] = this.span;
    const step = (to - from) / 60;
    const at = this.reading ?? to;
    const actions = {
      ArrowLeft: () => this.read(Math.max(from, at - step)),
      ArrowRight: () => this.read(Math.min(to, at + step)),
      Home: () => this.read(from),
      End: () => this.read(to),
      "+": () => this.scale(0.7, at),
      "-": () => this.scale(1.4, at),
      Escape: () => this.zoom(null),
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  }
}

function visible(points, from, to) {
  return around(points, from, to).filter((point) => point.decimal !== null);
}

// The points of a span, with the one that stood as it began.
function around(points, from, to) {
  const before = standingAt(points, from);
  const within = points.filter((point) => point.at > from && point.at <= to);
  return before ? [before, ...within] : within;
}

export function sparkLine(points, until, width = 84, height = 20) {
  const priced = points.filter((point) => point.decimal !== null);
  if (priced.length < 2) return null;
  const chances = priced.map((point) => 1 / point.decimal);
  const [least, most] = [Math.min(...chances), Math.max(...chances)];
  const from = priced[0].at;
  const x = (at) => (((at - from) / Math.max(until - from, 1)) * (width - 2) + 1).toFixed(1);
  const y = (chance) => (height - 2 - ((chance - least) / Math.max(most - least, 1e-9)) * (height - 4)).toFixed(1);
  const path = chances.map((chance, index) => `${index ? "V" : `M${x(priced[0].at)} `}${y(chance)}H${x(priced[index + 1]?.at ?? until)}`);
  const svg = element("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  svg.append(element("path", { d: path.join(""), class: "spark-line" }));
  return svg;
}
