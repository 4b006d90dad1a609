// Who is shown: buttons that switch variants off and on, in all charts at once.

/** Return what knows which variants are shown, and tells of changes. */
function switches(count) {
  const off = new Set();
  const listeners = [];
  return {
    shown: (variant) => !off.has(variant),
    any: () => off.size < count,
    listen: (heard) => listeners.push(heard),
    turn(variant) {
      if (!off.delete(variant)) off.add(variant);
      listeners.forEach((heard) => heard());
    },
  };
}

/** Return the legend of a chart. */
function legend(variants, on, withLines) {
  const buttons = variants.map((name, place) => {
    const stroke = withLines ? [svg("line", { class: `curve ${colour(place)}`, x1: 0, x2: 30, y1: 7, y2: 7, "stroke-dasharray": dash(place) })] : [];
    const mark = svg("svg", { viewBox: "0 0 30 14", "aria-hidden": "true" }, ...stroke, svg("path", { class: `mark ${colour(place)}`, d: outline(place, 15, 7, 5) }));
    const made = html("button", { type: "button", "aria-pressed": "true" }, mark, name);
    made.addEventListener("click", () => on.turn(place));
    return made;
  });
  on.listen(() => buttons.forEach((made, place) => made.setAttribute("aria-pressed", String(on.shown(place)))));
  return html("ul", { class: "legend", "aria-label": "Variants that are shown" }, ...buttons.map((made) => html("li", {}, made)));
}
