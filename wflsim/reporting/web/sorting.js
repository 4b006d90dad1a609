// Tables that are sorted by any column; what is not known stays last.
const collator = new Intl.Collator("en", { numeric: true });

/** Return how two rows stand in a column. */
function compared(one, other, column, direction) {
  const [a, b] = [one.cells[column], other.cells[column]];
  const [known, also] = [a.dataset.key !== undefined, b.dataset.key !== undefined];
  if (known && also) return direction * (Number(a.dataset.key) - Number(b.dataset.key));
  if (known !== also) return known ? -1 : 1;
  return direction * collator.compare(a.textContent, b.textContent);
}

/** Sort a table by the column of a header, the other way round if it was sorted by it. */
function sort(table, header) {
  const before = header.getAttribute("aria-sort");
  const first = header.dataset.first === "-1" ? "descending" : "ascending";
  const turned = before === "ascending" ? "descending" : "ascending";
  const order = before ? turned : first;
  table.querySelectorAll("thead th").forEach((each) => each.removeAttribute("aria-sort"));
  header.setAttribute("aria-sort", order);
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => compared(a, b, header.cellIndex, order === "ascending" ? 1 : -1));
  table.tBodies[0].append(...rows);
}

/** Make the headers of a table buttons. */
function sortable(table) {
  table.querySelectorAll("thead th").forEach((header) => {
    const made = html("button", { type: "button" }, ...header.childNodes);
    made.addEventListener("click", () => sort(table, header));
    header.replaceChildren(made);
  });
}
