// Axes: where numbers stand, which of them are told, and the lines behind them.
const MARGIN = { left: 56, right: 16, top: 30, bottom: 44 };
const WIDE = 20;

/** Return 1, 2 or 5 times a power of ten that divides a stretch into about as many parts as asked for. */
function stepOf(low, high, count) {
  const raw = (high - low) / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 5, 10].map((each) => each * power).find((each) => each >= raw * 0.999);
}

/** Return round numbers from one end to the other, a step apart. */
function ticks(low, high, step) {
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + 1e-9 * step; at += 1) found.push(at * step);
  return found;
}

/** Return 1, 2 and 5 times powers of ten between two ends, fewer where these are many. */
function logTicks(low, high) {
  const [least, most] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const steps = most - least > 3 ? [1] : [1, 2, 5];
  const found = [];
  for (let power = least; power <= most; power += 1) found.push(...steps.map((step) => step * 10 ** power));
  return found.filter((each) => each >= low * 0.999 && each <= high * 1.001);
}

/** Return an axis: from which number to which, on what scale, and in what unit. */
function axis(values, how, options = {}) {
  const known = values.filter(Number.isFinite);
  const [least, most] = [Math.min(...known), Math.max(...known)];
  const [factor, unit] = how.unit === "%" ? [0.01, "%"] : prefixed(most, how.unit);
  const log = Boolean(options.log) && least > 0 && most > WIDE * least;
  const made = { log, factor, label: unit ? `${how.label} [${unit}]` : how.label };
  if (log) return { ...made, low: least / 1.3, high: most * 1.3 };
  const room = (most - least || Math.abs(most) || 1) * (options.room ?? 0.08);
  return { ...made, low: least >= 0 ? Math.max(least - room, 0) : least - room, high: Math.min(most + room, how.unit === "%" ? 1 : Infinity) };
}

/** Return what puts numbers of an axis into a stretch of pixels. */
function scaled(of, from, to) {
  const put = of.log ? Math.log : (value) => value;
  const [low, high] = [put(of.low), put(of.high)];
  return (value) => from + ((put(value) - low) / (high - low || 1)) * (to - from);
}

/** Return the numbers that are told on an axis: each in its data's unit, and as it stands beside the axis. */
function told(of, count) {
  const [low, high] = [of.low / of.factor, of.high / of.factor];
  const step = of.log ? null : stepOf(low, high, count);
  const shown = of.log ? logTicks(low, high) : ticks(low, high, step);
  return shown.map((each) => [each * of.factor, tickText(each, step)]);
}

/** Return a number of an axis with the digits that tell it from the next, a step away; none for an axis of powers. */
function tickText(shown, step) {
  const least = step === null ? null : Math.floor(Math.log10(step) + 1e-9);
  const size = shown ? Math.floor(Math.log10(Math.abs(shown)) + 1e-9) : 0;
  if (size >= 5) return shown.toExponential(least === null ? 0 : Math.max(size - least, 0));
  return String(Number(least === null ? shown.toPrecision(4) : shown.toFixed(Math.min(Math.max(-least, 0), 100))));
}

/** Draw two axes into a drawing, and return what puts numbers into its pixels. */
function axes(drawing, size, x, y) {
  const right = size.width - MARGIN.right;
  const low = size.height - MARGIN.bottom;
  const [across, up] = [scaled(x, MARGIN.left, right), scaled(y, low, MARGIN.top)];
  for (const [value, text] of told(y, Math.max(3, Math.floor(size.height / 70)))) {
    const at = up(value);
    drawing.append(svg("line", { class: "grid", x1: MARGIN.left, x2: right, y1: at, y2: at }));
    drawing.append(svg("text", { x: MARGIN.left - 8, y: at + 4, "text-anchor": "end" }, text));
  }
  for (const [value, text] of told(x, Math.max(2, Math.floor(size.width / 110)))) {
    const at = across(value);
    drawing.append(svg("line", { class: "axis", x1: at, x2: at, y1: low, y2: low + 5 }));
    drawing.append(svg("text", { x: at, y: low + 19, "text-anchor": "middle" }, text));
  }
  drawing.append(
    svg("line", { class: "axis", x1: MARGIN.left, x2: right, y1: low, y2: low }),
    svg("text", { class: "title", x: right, y: size.height - 6, "text-anchor": "end" }, x.label),
  );
  return { across, up, left: MARGIN.left, right, top: MARGIN.top, low };
}

/** Return an empty drawing as wide as its box. */
function drawing(box, height, says) {
  const width = Math.max(Math.floor(box.clientWidth), 280);
  const made = svg("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "group", "aria-label": says });
  return [made, { width, height }];
}

const COLOURS = 7;
const SHAPES = ["circle", "square", "triangle", "diamond", "down", "plus", "cross"];

/** Return the outline of the mark of a variant around a place. */
function outline(variant, x, y, r) {
  const shape = SHAPES[turned(variant)];
  const points = (list) => `M${list.map(([dx, dy]) => `${(x + dx * r).toFixed(1)} ${(y + dy * r).toFixed(1)}`).join("L")}Z`;
  if (shape === "circle") return `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;
  if (shape === "square") return points([[-0.88, -0.88], [0.88, -0.88], [0.88, 0.88], [-0.88, 0.88]]);
  if (shape === "triangle") return points([[0, -1.1], [1.05, 0.8], [-1.05, 0.8]]);
  if (shape === "diamond") return points([[0, -1.2], [1.05, 0], [0, 1.2], [-1.05, 0]]);
  if (shape === "down") return points([[0, 1.1], [1.05, -0.8], [-1.05, -0.8]]);
  const arms = [[-0.38, -1.1], [0.38, -1.1], [0.38, -0.38], [1.1, -0.38], [1.1, 0.38], [0.38, 0.38], [0.38, 1.1], [-0.38, 1.1], [-0.38, 0.38], [-1.1, 0.38], [-1.1, -0.38], [-0.38, -0.38]];
  const turn = Math.SQRT1_2;
  return points(shape === "plus" ? arms : arms.map(([dx, dy]) => [turn * (dx - dy), turn * (dx + dy)]));
}

const DASHES = [null, "7 4", "9 3 2 3", "2 3", "14 4", "5 2 2 2 2 2", "1 4"];

const colour = (variant) => `c${variant % COLOURS}`;

/** Return which of seven shapes or dashes a variant has: from the second turn of the colours on they meet others. */
function turned(variant, more = 0) {
  return (variant + Math.floor(variant / COLOURS) + more) % COLOURS;
}

/** Return how the line of a variant is dashed, of several points of a sweep each in its turn. */
const dash = (variant, turn = 0) => DASHES[turned(variant, turn)];
