// Tables that are sorted by a press on a column's head; [data-value] wins over what is read.

const collator = new Intl.Collator("en-GB", { numeric: true });

for (const table of document.querySelectorAll("table[data-sortable]")) {
  table.querySelectorAll("thead th").forEach((head, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sortBy(table, head, index));
  });
}

function sortBy(table, head, index) {
  const isDescending = head.getAttribute("aria-sort") === "ascending" || (!head.ariaSort && head.classList.contains("figure"));
  for (const other of table.querySelectorAll("thead th")) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", isDescending ? "descending" : "ascending");
  const value = (row) => row.cells[index]?.dataset.value ?? row.cells[index]?.textContent.trim() ?? "";
  const isNothing = (text) => text === "" || text === "–";
  const rows = [...table.tBodies[0].rows].map((row) => ({ row, value: value(row) }));
  rows.sort((one, other) => {
    if (isNothing(one.value) || isNothing(other.value)) return isNothing(one.value) - isNothing(other.value);
    return collator.compare(one.value, other.value) * (isDescending ? -1 : 1);
  });
  table.tBodies[0].append(...rows.map(({ row }) => row));
}
