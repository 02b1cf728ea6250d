// What every page has: the switches in its head, and what keeps its changing part up to date.

import { keepLive } from "./live.js";
import { listen } from "./keys.js";

const root = document.documentElement;
const THEMES = ["system", "light", "dark"];

function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // a browser that keeps nothing: the choice holds for this page
  }
}

function showChoices() {
  document.querySelector("#odds-switch span").textContent = root.dataset.odds;
  document.querySelector("#theme-switch span").textContent = root.dataset.theme ?? "system";
}

function switchOdds() {
  root.dataset.odds = root.dataset.odds === "decimal" ? "fractional" : "decimal";
  keep("odds", root.dataset.odds);
  showChoices();
  root.dispatchEvent(new Event("odds-chosen"));
}

function switchTheme() {
  const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "system") + 1) % THEMES.length];
  if (next === "system") delete root.dataset.theme;
  else root.dataset.theme = next;
  keep("theme", next);
  showChoices();
  root.dispatchEvent(new Event("theme-chosen"));
}

document.getElementById("odds-switch").addEventListener("click", switchOdds);
document.getElementById("theme-switch").addEventListener("click", switchTheme);
document.querySelector(".switches").hidden = false;
showChoices();

const main = document.getElementById("main");
const live = main?.dataset.part ? keepLive(main) : null;
listen({ live, switchOdds, switchTheme });
