// The trade-off: what systems gain against what they spend, and whom no other dominates.

/** Return the places that no other dominates; less of x is better, of y what its direction says. */
function undominated(points, better) {
  return points.filter((one) =>
    !points.some((other) => {
      const [less, more] = [one.x - other.x, better * (other.y - one.y)];
      return less >= 0 && more >= 0 && (less > 0 || more > 0);
    }),
  );
}

/** Return the systems that are shown and know both measures. */
function placed(data, on, x, y) {
  return data.trade.points.flatMap((of, place) => {
    const line = data.lines[place];
    if (!on.shown(line.variant) || !of[x] || !of[y]) return [];
    return [{ line, x: of[x][0], y: of[y][0], of: [of[x], of[y]] }];
  });
}

/** Return the ends of intervals, but none so far that means can no longer be told apart. */
function extents(points, at) {
  const means = points.map((point) => point.of[at][0]);
  const span = Math.max(...means) - Math.min(...means) || Math.abs(means[0]) * 0.1;
  const least = Math.min(...means) < 0 ? -Infinity : 0;
  return points.flatMap(({ of }) => {
    const half = Math.min(of[at][1] ?? 0, span);
    return [Math.max(of[at][0] - half, least), of[at][0] + half];
  });
}

/** Draw the interval of a point as a cross. */
function crossed(point, place) {
  const { across, up, left, right, top, low } = place;
  const within = (value, a, b) => Math.min(Math.max(value, Math.min(a, b)), Math.max(a, b));
  const ends = ([mean, half], put, a, b) => [mean - half, mean + half].map((each) => within(put(each) || a, a, b));
  const lines = [];
  const [x, y] = [across(point.x), up(point.y)];
  const name = `bar-of ${colour(point.line.variant)}`;
  if (point.of[0][1] !== null) {
    const [x1, x2] = ends(point.of[0], across, left, right);
    lines.push(svg("line", { class: name, x1, x2, y1: y, y2: y }));
  }
  if (point.of[1][1] !== null) {
    const [y1, y2] = ends(point.of[1], up, low, top);
    lines.push(svg("line", { class: name, x1: x, x2: x, y1, y2 }));
  }
  return lines;
}

/** Return the names beside points, where they lie over nothing else. */
function named(points, place) {
  const name = ({ line }) => line.point || line.name;
  const taken = points.map((point) => [place.across(point.x) - 9, place.up(point.y) - 9, 18, 18]);
  const free = ([x, y, w, h]) => x > place.left && x + w < place.right + 12 && y > 0 && !taken.some(([a, b, c, d]) => x < a + c && a < x + w && y < b + d && b < y + h);
  return points.flatMap((point) => {
    const [x, y, wide] = [place.across(point.x), place.up(point.y), 7 * name(point).length];
    const spots = [[x + 11, y - 18], [x + 11, y + 5], [x - 11 - wide, y - 18], [x - 11 - wide, y + 5]];
    const spot = spots.find(([left, top]) => free([left, top, wide, 14]));
    if (!spot) return [];
    taken.push([...spot, wide, 14]);
    const end = spot[0] < x;
    return [svg("text", { class: "beside", x: end ? x - 11 : spot[0], y: spot[1] + 11, "text-anchor": end ? "end" : "start" }, name(point))];
  });
}

/** Draw the trade-off of two measures. */
function drawTradeoff(box, data, on, chosen) {
  const how = { x: data.columns[chosen.x], y: data.columns[chosen.y] };
  const [made, size] = drawing(box, Math.min(460, Math.max(320, box.clientWidth * 0.5)), `${how.y.label} over ${how.x.label}`);
  const points = placed(data, on, chosen.x, chosen.y);
  if (points.length) {
    const place = axes(made, size, axis(extents(points, 0), how.x, { log: true }), axis(extents(points, 1), how.y));
    made.append(svg("text", { class: "title", x: 0, y: 14 }, axis(extents(points, 1), how.y).label));
    drawPoints(made, points, place, how);
  } else {
    made.append(svg("text", { x: size.width / 2, y: size.height / 2, "text-anchor": "middle" }, "No system that is shown knows both."));
  }
  box.replaceChildren(made);
}

/** Draw the points, the line of those that none dominates, and what is told of each. */
function drawPoints(made, points, place, how) {
  const front = new Set(how.y.better ? undominated(points, how.y.better) : []);
  const along = [...front].sort((a, b) => a.x - b.x || a.y - b.y);
  const path = along.map((point) => `${place.across(point.x).toFixed(1)} ${place.up(point.y).toFixed(1)}`).join("L");
  if (along.length > 1) made.append(svg("path", { class: "front", d: `M${path}` }));
  points.forEach((point) => made.append(...crossed(point, place)));
  if (points.length <= 12) made.append(...named(points, place));
  const sorted = [...points].sort((a, b) => a.x - b.x);
  const marks = sorted.map((point) => {
    const d = outline(point.line.variant, place.across(point.x), place.up(point.y), 7);
    const lines = [
      point.line.name,
      `${how.x.label}: ${uncertain(point.of[0], how.x)}`,
      `${how.y.label}: ${uncertain(point.of[1], how.y)}`,
      ...(front.has(point) ? ["dominated by none"] : []),
    ];
    return tells(svg("path", { class: `mark ${colour(point.line.variant)}`, d }), lines);
  });
  made.append(...marks);
  walkable([marks]);
}

/** Set up the trade-off. */
function tradeoff(root, data, on) {
  const { x, y } = data.trade;
  const label = (name) => [name, data.columns[name].label];
  const chosen = { x: x[0], y: y.includes(data.measure) ? data.measure : y.find((name) => name !== x[0]) };
  const box = html("div", { class: "canvas" });
  const draw = () => drawTradeoff(box, data, on, chosen);
  const take = (key) => (value) => {
    chosen[key] = value;
    draw();
  };
  const [gained] = choice("gained", y.map(label), chosen.y, take("y"));
  const [spent] = choice("spent", x.map(label), chosen.x, take("x"));
  root.append(
    html("div", { class: "controls" }, gained, spent),
    legend(data.variants, on, false),
    box,
    html("p", { class: "keys" }, "Arrow keys walk from mark to mark."),
  );
  on.listen(draw);
  fitted(box, draw);
}
