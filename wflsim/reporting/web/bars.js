// The bars of a time line: a row a device, a stretch a phase.
const MANY_DEVICES = 40;
const HEIGHTS = { row: 22, bar: 14 };
const LOW = { row: 14, bar: 10 };
const SIDE = { left: 74, right: 58, top: 26, bottom: 42 };

/** Return device → its parts in all exchanges of a round, by number. */
function byDevice(round) {
  const found = new Map();
  round.exchanges.forEach((exchange, place) =>
    exchange.parts.forEach(([device, began, outcome, seconds, joules]) => {
      if (!found.has(device)) found.set(device, []);
      found.get(device).push({ device, began, outcome, seconds, joules, exchange, place });
    }),
  );
  return new Map([...found].sort(([a], [b]) => a - b));
}

/** Return the phases of a part that took time, with where they begin. */
function stretches(part, phases) {
  let at = part.began;
  return part.seconds.flatMap((seconds, place) => {
    const from = at;
    at += seconds;
    return seconds > 0 ? [{ phase: phases[place], from, seconds, joules: part.joules[place] }] : [];
  });
}

/** Return what is told of a stretch. */
function sentences(part, stretch, several) {
  return [
    `device ${part.device}, ${stretch.phase.label}`,
    `${amount(stretch.seconds, "s")}, ${amount(stretch.joules, "J")}`,
    `from ${digits(stretch.from, 3)} s of the round${several ? `, ${part.exchange.name}` : ""}`,
    `update: ${part.outcome.replace("_", " ")}`,
    ...(part.device === part.exchange.critical ? ["◆ sets the length of the exchange"] : []),
  ];
}

/** Return the elements of a device's row, those that can be walked through. */
function rowOf(parts, top, place) {
  const several = place.round.exchanges.length > 1;
  return parts.flatMap((part) =>
    stretches(part, place.phases).flatMap((stretch) => {
      const [from, to] = [stretch.from, stretch.from + stretch.seconds].map(place.across);
      if (to < SIDE.left || from > place.right) return [];
      const x = Math.max(from, SIDE.left);
      const width = Math.max(Math.min(to, place.right) - x, 0.75);
      const made = svg("rect", { class: `phase ${stretch.phase.name}`, x: x.toFixed(2), y: top, width: width.toFixed(2), height: place.bar, "data-key": `${part.device}/${part.place}/${stretch.phase.name}` });
      return [tells(made, sentences(part, stretch, several))];
    }),
  );
}

/** Return the name of a device beside its row, and its outcome where that was not in time. */
function beside(parts, top, place) {
  const critical = parts.some((part) => part.device === part.exchange.critical);
  const middle = top + place.bar / 2 + 4;
  const { device } = parts[0];
  const outcomes = [...new Set(parts.map(({ outcome }) => outcome))].filter((outcome) => outcome !== "on_time");
  const name = critical ? `◆ ${device}` : String(device);
  return [
    svg("text", { class: `row-name${critical ? " critical" : ""}`, x: SIDE.left - 10, y: middle }, name),
    svg("text", { class: "outcome", x: place.right + 6, y: middle }, outcomes.join(", ").replaceAll("_", " ")),
  ];
}

/** Return the lines of a round: where exchanges end, and until when they may last. */
function lines(place, bottom) {
  const { round, across, right } = place;
  const made = [];
  const seen = (at) => at >= SIDE.left - 0.5 && at <= right + 0.5;
  round.exchanges.forEach((exchange) => {
    const end = across(exchange.end);
    if (seen(end)) made.push(svg("line", { class: "ended", x1: end, x2: end, y1: SIDE.top - 8, y2: bottom }));
    const limit = exchange.deadline === null ? NaN : across(exchange.deadline);
    if (!seen(limit)) return;
    made.push(svg("line", { class: "limit", x1: limit, x2: limit, y1: SIDE.top - 8, y2: bottom }));
    made.push(svg("text", { x: limit - 5, y: SIDE.top - 12, "text-anchor": "end" }, "deadline"));
  });
  return made;
}

/** Draw a round within a stretch of its seconds; return the drawing and its rows. */
function drawRound(box, round, phases, [from, to]) {
  const devices = byDevice(round);
  const { row, bar } = devices.size > MANY_DEVICES ? LOW : HEIGHTS;
  const bottom = SIDE.top + row * devices.size;
  const height = bottom + SIDE.bottom;
  const [made, size] = drawing(box, height, `Round ${round.round} of ${round.variant}, device by device`);
  const right = size.width - SIDE.right;
  const of = { low: from, high: to, log: false, ...unitOf(Math.max(Math.abs(from), Math.abs(to))) };
  const place = { round, phases, right, bar, across: scaled(of, SIDE.left, right) };
  made.append(...ruler(of, place, bottom), svg("text", { class: "title", x: 0, y: SIDE.top - 12 }, "device"));
  made.append(svg("text", { class: "title", x: right, y: height - 6, "text-anchor": "end" }, `time in the round [${of.unit}]`));
  const rows = [...devices.values()].map((parts, index) => {
    const top = SIDE.top + row * index + (row - bar) / 2;
    made.append(...beside(parts, top, place));
    return rowOf(parts, top, place);
  });
  rows.forEach((row) => made.append(...row));
  made.append(...lines(place, bottom));
  box.replaceChildren(made);
  return { made, rows: rows.filter((row) => row.length), left: SIDE.left, right };
}

/** Return the unit in which times of some size are told. */
function unitOf(seconds) {
  const [factor, unit] = prefixed(seconds, "s");
  return { factor, unit };
}

/** Return the numbers below a time line, and the lines above them. */
function ruler(of, place, bottom) {
  return told(of, Math.max(2, Math.floor((place.right - SIDE.left) / 100))).flatMap(([value, text]) => {
    const at = place.across(value);
    const line = svg("line", { class: "grid", x1: at, x2: at, y1: SIDE.top - 4, y2: bottom + 4 });
    return [line, svg("text", { x: at, y: bottom + 19, "text-anchor": "middle" }, text)];
  });
}
