// What a visitor has chosen, before the first paint: theme and kind of odds. Not a module, so that
// it runs at once.
(() => {
  const root = document.documentElement;
  root.classList.add("scripts");
  const chosen = (name) => {
    try {
      return localStorage.getItem(name);
    } catch {
      return null; // a browser that keeps nothing
    }
  };
  const theme = chosen("theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  root.dataset.odds = chosen("odds") === "decimal" ? "decimal" : "fractional";
})();
