// One stop of the tabulator for many marks: arrows walk from one to the next.

/** Let arrows walk through rows of elements; return the one that the tabulator stops at. */
function walkable(rows, at = [0, 0]) {
  const elements = rows.flat();
  elements.forEach((element) => element.setAttribute("tabindex", "-1"));
  const row = rows[Math.min(at[0], rows.length - 1)] ?? [];
  const first = row[Math.min(at[1], row.length - 1)];
  first?.setAttribute("tabindex", "0");
  rows.forEach((own, down) =>
    own.forEach((element, across) => {
      element.addEventListener("keydown", (event) => walk(event, rows, down, across));
      element.addEventListener("focus", () => {
        elements.forEach((other) => other.setAttribute("tabindex", other === element ? "0" : "-1"));
      });
    }),
  );
  return first;
}

/** Go where a key points to. */
function walk(event, rows, down, across) {
  if (event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
  const to = target(event.key, rows, down, across);
  if (!to) return;
  event.preventDefault();
  to.focus();
}

/** Return the element that a key points to; in a single row up and down are as left and right. */
function target(key, rows, down, across) {
  const row = rows[down];
  const single = rows.length === 1;
  const step = { ArrowRight: 1, ArrowLeft: -1, ...(single ? { ArrowDown: 1, ArrowUp: -1 } : {}) }[key];
  if (step) return row[across + step];
  if (key === "Home") return row[0];
  if (key === "End") return row[row.length - 1];
  const other = rows[down + ({ ArrowDown: 1, ArrowUp: -1 }[key] ?? NaN)];
  return other?.[Math.min(across, other.length - 1)];
}
