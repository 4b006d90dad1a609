// Progress: curves over rounds, seconds or joules, with bands where there are several seeds.
const MANY = 6;
const OVERS = { round: { label: "round", unit: "" }, s: { label: "simulated time", unit: "s" }, j: { label: "energy", unit: "J" } };

/** Return the curves that are shown. */
function curvesOf(data, on, chosen) {
  return data.progress.curves.flatMap((of, place) => {
    const line = data.lines[place];
    const turn = data.lines.slice(0, place).filter(({ variant }) => variant === line.variant).length;
    const curve = on.shown(line.variant) && of[chosen.measure]?.[chosen.over];
    return curve && curve[0].length ? [{ line, turn, where: curve[0], mean: curve[1], half: curve[2], whole: curve[3] }] : [];
  });
}

/** Return a line through places; over seconds and joules a value holds until the next. */
function through(xs, ys, steps) {
  const parts = xs.map((x, place) => {
    const at = `${x.toFixed(1)} ${ys[place].toFixed(1)}`;
    return steps && place ? `H${x.toFixed(1)}V${ys[place].toFixed(1)}` : `${place ? "L" : "M"}${at}`;
  });
  return parts.join("");
}

/** Return the band around a curve, within the panel. */
function banded(curve, place, steps) {
  const within = (value) => Math.min(Math.max(value, place.top), place.low);
  const xs = curve.where.map(place.across);
  const side = (sign) => curve.mean.map((mean, at) => within(place.up(mean + sign * curve.half[at])));
  const [upper, lower] = [side(1), side(-1)];
  const corners = (ys) => xs.flatMap((x, at) => (steps && at ? [[x, ys[at - 1]], [x, ys[at]]] : [[x, ys[at]]]));
  const round = [...corners(upper), ...corners(lower).reverse()];
  return `M${round.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}Z`;
}

/** Draw the curves of a measure. */
function drawProgress(box, data, on, chosen) {
  const how = { x: OVERS[chosen.over], y: data.columns[chosen.measure] };
  const [made, size] = drawing(box, Math.min(420, Math.max(300, box.clientWidth * 0.42)), `${how.y.label} over ${how.x.label}`);
  const curves = curvesOf(data, on, chosen);
  if (curves.length) {
    const y = axis(curves.flatMap((curve) => curve.mean), how.y, { room: 0.06 });
    const place = axes(made, size, axis([...curves.flatMap((curve) => curve.where)], how.x, { room: 0.02 }), y);
    made.append(svg("text", { class: "title", x: 0, y: 14 }, y.label));
    drawCurves(made, curves, place, how, { steps: chosen.over !== "round", bands: chosen.bands });
  } else {
    made.append(svg("text", { x: size.width / 2, y: size.height / 2, "text-anchor": "middle" }, "No system that is shown knows it."));
  }
  box.replaceChildren(made);
}

/** Return what is told of a curve where it ends, which need not be where all of its seeds do. */
function endOf(curve, how) {
  const last = curve.where.length - 1;
  const at = how.x.unit ? amount(curve.where[last], how.x.unit, 4) : `${how.x.label} ${curve.where[last]}`;
  const end = curve.whole ? "at the end" : `at ${at}, where the first seed ends`;
  const told = uncertain([curve.mean[last], curve.half ? curve.half[last] : null, 1], how.y);
  return [curve.line.name, `${how.y.label} ${end}: ${told}`, ...(curve.whole ? [`the end: ${at}`] : [])];
}

/** Draw curves, and a mark at the end of each, which tells of it. */
function drawCurves(made, curves, place, how, { steps, bands }) {
  const parts = curves.map((curve) => {
    const variant = colour(curve.line.variant);
    const d = through(curve.where.map(place.across), curve.mean.map(place.up), steps);
    const band = bands && curve.half && svg("path", { class: `band ${variant}`, d: banded(curve, place, steps) });
    const last = curve.where.length - 1;
    const d2 = outline(curve.line.variant, place.across(curve.where[last]), place.up(curve.mean[last]), 5.5);
    const mark = tells(svg("path", { class: `mark ${variant}`, d: d2 }), endOf(curve, how));
    return { band, mark, path: svg("path", { class: `curve ${variant}`, d, "stroke-dasharray": dash(curve.line.variant, curve.turn) }) };
  });
  made.append(...parts.flatMap(({ band }) => band || []), ...parts.map(({ path }) => path), ...parts.map(({ mark }) => mark));
  const points = curves.map(({ line, where, mean }) => ({ line, x: where[where.length - 1], y: mean[mean.length - 1] }));
  if (points.some(({ line }) => line.point)) made.append(...named(points, place));
  walkable([parts.map(({ mark }) => mark)]);
}

/** Set up progress. */
function progress(root, data, on) {
  const { measures } = data.progress;
  const chosen = { measure: measures.includes(data.measure) ? data.measure : measures[0], over: "s", bands: data.progress.curves.length <= MANY };
  const box = html("div", { class: "canvas" });
  const draw = () => drawProgress(box, data, on, chosen);
  const take = (key) => (value) => {
    chosen[key] = value;
    draw();
  };
  const [gained] = choice("measure", measures.map((name) => [name, data.columns[name].label]), chosen.measure, take("measure"));
  const bands = button("bands", "bands of 95 % intervals", () => {
    chosen.bands = !chosen.bands;
    bands.setAttribute("aria-pressed", String(chosen.bands));
    draw();
  });
  bands.setAttribute("aria-pressed", String(chosen.bands));
  const overs = [["round", "rounds"], ["s", "seconds"], ["j", "joules"]];
  root.append(
    html("div", { class: "controls" }, gained, segments("over", "over", overs, chosen.over, take("over")), bands),
    legend(data.variants, on, true),
    box,
  );
  on.listen(draw);
  fitted(box, draw);
}
