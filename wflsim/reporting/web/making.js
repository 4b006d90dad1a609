// Making elements and telling numbers.
const SVG = "http://www.w3.org/2000/svg";
const PREFIXES = [[1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "µ"], [1e-9, "n"]];
const SCALED = new Set(["Hz", "bit", "J", "W"]);

/** Give an element its attributes and children; texts stay texts. */
function filled(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

const html = (tag, attributes = {}, ...children) => filled(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);

/** Return by what to divide a number of some size, and its unit after that. */
function prefixed(size, unit) {
  const large = Math.abs(size);
  if (!(SCALED.has(unit) || unit === "s") || !Number.isFinite(large) || large === 0) return [1, unit];
  const fits = ([factor]) => large >= factor * (1 - 1e-12) && (factor <= 1 || SCALED.has(unit));
  const [factor, prefix] = PREFIXES.find(fits) ?? [1, ""];
  return [factor, prefix + unit];
}

/** Return a number with some significant digits and no exponent. */
function digits(value, count = 3) {
  if (value === 0) return "0";
  const places = Math.max(count - 1 - Math.floor(Math.log10(Math.abs(value))), 0);
  return value.toFixed(Math.min(places, 12));
}

/** Return a quantity in words. */
function amount(value, unit, count = 3) {
  const [factor, told] = prefixed(value, unit);
  return `${digits(value / factor, count)} ${told}`.trim();
}

/** Return a mean with half of its interval in words. */
function uncertain([mean, half, seeds], how) {
  const [factor, unit] = how.unit === "%" ? [0.01, "%"] : prefixed(mean, how.unit);
  const apart = half === null ? "" : ` ± ${digits(half / factor, 2)}`;
  const of = seeds > 1 ? ` (${seeds} seeds)` : "";
  return `${digits(mean / factor, 4)}${apart} ${unit}`.trim() + of;
}

/** Return a choice with a label, which tells when another is taken. */
function choice(label, options, chosen, taken) {
  const select = html("select", {}, ...options.map(([value, text]) => html("option", { value }, text)));
  select.value = chosen;
  select.addEventListener("change", () => taken(select.value));
  return [html("label", { class: "field" }, label, select), select];
}

/** Return a few choices that are all seen, which tell when another is taken. */
function segments(label, name, options, chosen, taken) {
  const parts = options.map(([value, text]) => {
    const input = html("input", { type: "radio", name, value });
    input.checked = value === chosen;
    input.addEventListener("change", () => taken(value));
    return html("label", {}, input, html("span", {}, text));
  });
  return html("fieldset", { class: "choice" }, html("legend", {}, label), ...parts);
}

/** Return a button. */
function button(text, name, pressed) {
  const made = html("button", { type: "button", "aria-label": name }, text);
  made.addEventListener("click", pressed);
  return made;
}

/** Draw now, and again whenever the width of a box is another. */
function fitted(box, draw) {
  let width = 0;
  const look = () => {
    const now = Math.floor(box.clientWidth);
    if (now && now !== width) {
      width = now;
      draw();
    }
  };
  new ResizeObserver(look).observe(box);
  look();
}
