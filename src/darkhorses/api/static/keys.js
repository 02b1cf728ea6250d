// Everything by keyboard: on every page odds and theme, on the board its races, search and pause.

const isTyping = (target) => target.closest("input, select, textarea, [contenteditable]") !== null;
const links = (within = document) => [...within.querySelectorAll(".card h3 a")];

function step(by) {
  const all = links();
  const at = all.indexOf(document.activeElement);
  const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

export function listen({ live, switchOdds, switchTheme }) {
  const filters = document.querySelector("[data-filters]");
  const keys = document.getElementById("keys");
  const pause = document.getElementById("pause");
  const help = document.getElementById("help");

  function togglePause() {
    if (!pause || !live) return;
    live.pause(!live.paused);
    pause.setAttribute("aria-pressed", String(live.paused));
    pause.textContent = live.paused ? "Paused: go on" : "Pause";
  }

  if (live && filters) followFilters(filters, live);
  pause?.addEventListener("click", togglePause);
  help?.addEventListener("click", () => keys.showModal());

  const actions = {
    "/": () => filters?.querySelector("input[type=search]")?.focus(),
    "?": () => keys?.showModal(),
    j: () => step(1),
    k: () => step(-1),
    o: switchOdds,
    p: togglePause,
    t: switchTheme,
  };
  document.querySelectorAll(".column").forEach((column, index) => {
    actions[String(index + 1)] = () => links(column)[0]?.focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape" && isTyping(event.target)) event.target.blur();
    if (isTyping(event.target)) return;
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

// A filter takes effect as it is chosen, and stands in the address.
function followFilters(form, live) {
  let timer = null;
  const apply = () => {
    clearTimeout(timer);
    const chosen = new URLSearchParams([...new FormData(form)].filter(([, value]) => value.trim() !== ""));
    live.show(chosen.size ? `?${chosen}` : "");
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    apply();
  });
  form.addEventListener("change", apply);
  form.addEventListener("input", (event) => {
    if (event.target.type !== "search") return;
    clearTimeout(timer);
    timer = setTimeout(apply, 250);
  });
}
