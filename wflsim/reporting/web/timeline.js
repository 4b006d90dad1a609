// The time line: which round is shown, and which stretch of it.
const NARROWEST = 1e-4;

/** Return the whole stretch of a round: what began before it counts up to half of its length. */
function whole(round) {
  const parts = round.exchanges.flatMap((exchange) => exchange.parts);
  const length = Math.max(round.length, ...round.exchanges.map(({ end }) => end)) || 1;
  const earliest = Math.min(0, ...parts.map(([, began]) => began));
  return [Math.max(earliest, -0.5 * length), 1.01 * length];
}

/** Return a stretch that is longer or shorter by a factor around a share of it, within the whole. */
function zoomed([from, to], factor, share, [least, most]) {
  const wide = Math.min(Math.max((to - from) * factor, NARROWEST * (most - least)), most - least);
  return moved([from + share * (to - from - wide), from + share * (to - from - wide) + wide], 0, [least, most]);
}

/** Return a stretch moved by a share of it, within the whole. */
function moved([from, to], share, [least, most]) {
  const wide = to - from;
  const start = Math.min(Math.max(from + share * wide, least), most - wide);
  return [start, start + wide];
}

/** Return the different values of a key of rounds, in their order. */
const values = (rounds, key) => [...new Set(rounds.map((round) => round[key]))];

/** Return what is said of a round below its choice. */
function saidOf(round) {
  const last = round.exchanges.length > 1 ? (exchange) => `${exchange.name}: ${exchange.said}` : (exchange) => exchange.said;
  const parts = round.exchanges.slice(0, 3).map(last);
  const shown = round.exchanges.reduce((sum, exchange) => sum + exchange.parts.length, 0);
  const there = round.exchanges.reduce((sum, exchange) => sum + exchange.devices, 0);
  const left = there > shown ? [`${there - shown} of ${there} parts of devices are not shown`] : [];
  const more = round.exchanges_left_out ? [`${round.exchanges_left_out} exchanges are not shown`] : [];
  return `${[`Round of ${amount(round.length, "s")}`, ...parts, ...left, ...more].join("; ")}.`;
}

/** Return a time line: what is chosen, how it is drawn, and how its stretch is changed. */
function player(box, said, data) {
  const { rounds, phases } = data.timeline;
  const state = { round: rounds[0], view: whole(rounds[0]), drawn: null };
  const draw = () => {
    const key = box.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    state.drawn = drawRound(box, state.round, phases, state.view);
    walkable(state.drawn.rows);
    hideTip();
    const again = key && state.drawn.rows.flat().find((each) => each.dataset.key === key);
    if (key) (again ?? state.drawn.rows[0]?.[0])?.focus();
  };
  const see = (view) => {
    state.view = view;
    draw();
  };
  return {
    state,
    draw,
    zoom: (factor, share = 0.5) => see(zoomed(state.view, factor, share, whole(state.round))),
    pan: (share) => see(moved(state.view, share, whole(state.round))),
    all: () => see(whole(state.round)),
    show(round) {
      state.round = round;
      said.textContent = saidOf(round);
      see(whole(round));
    },
  };
}

/** Let keys, the wheel and dragging change the stretch. */
function steered(box, play) {
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const shifted = event.shiftKey ? { ArrowLeft: () => play.pan(-0.25), ArrowRight: () => play.pan(0.25) } : {};
    const keys = { "+": () => play.zoom(0.5), "=": () => play.zoom(0.5), "-": () => play.zoom(2), 0: play.all, ...shifted };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  box.addEventListener("wheel", (event) => wheeled(event, box, play), { passive: false });
  box.addEventListener("pointerdown", (event) => dragged(event, box, play));
}

/** Zoom by the wheel with Ctrl, pan by the wheel with Shift; otherwise the page moves. */
function wheeled(event, box, play) {
  if (!event.ctrlKey && !event.metaKey && !event.shiftKey) return;
  event.preventDefault();
  const turned = event.deltaY || event.deltaX;
  if (event.shiftKey) {
    play.pan(0.1 * Math.sign(turned));
    return;
  }
  const { left, right } = play.state.drawn;
  const at = (event.clientX - box.getBoundingClientRect().left - left) / (right - left);
  play.zoom(turned > 0 ? 1.25 : 0.8, Math.min(Math.max(at, 0), 1));
}

/** Pan while a mouse drags. */
function dragged(event, box, play) {
  if (event.pointerType !== "mouse" || event.button !== 0) return;
  let last = event.clientX;
  const { left, right } = play.state.drawn;
  const move = (now) => {
    play.pan((last - now.clientX) / (right - left));
    last = now.clientX;
  };
  const stop = () => {
    box.classList.remove("panning");
    window.removeEventListener("pointermove", move);
    window.removeEventListener("pointerup", stop);
  };
  box.classList.add("panning");
  window.addEventListener("pointermove", move);
  window.addEventListener("pointerup", stop);
}

/** Return the choices of run, variant and round. */
function rounds(data, play) {
  const all = data.timeline.rounds;
  const chosen = { run: all[0].run, variant: all[0].variant };
  const text = (round) => `${round.round}${round.typical ? " (typical)" : ""}`;
  const [box, select] = choice("round", [], "", (place) => play.show(all[Number(place)]));
  const fill = () => {
    const there = all.filter((round) => round.run === chosen.run && round.variant === chosen.variant);
    select.replaceChildren(...there.map((round) => html("option", { value: all.indexOf(round) }, text(round))));
    if (there.length) play.show(there[0]);
    select.disabled = there.length < 2;
  };
  const pick = (key) => (value) => {
    chosen[key] = value;
    const fits = all.some((round) => round.run === chosen.run && round.variant === chosen.variant);
    if (!fits) chosen.variant = all.find((round) => round.run === chosen.run).variant;
    variants[1].value = chosen.variant;
    fill();
  };
  const called = (run) => data.timeline.runs[run] ?? run;
  const listed = (key) => values(all, key).map((each) => [each, key === "run" ? called(each) : each]);
  const variants = choice("variant", listed("variant"), chosen.variant, pick("variant"));
  const runs = choice("run", listed("run"), chosen.run, pick("run"));
  fill();
  return [runs[0], variants[0], box];
}

/** Set up the time line. */
function timeline(root, data) {
  const box = html("div", { class: "canvas" });
  const said = html("p", { class: "note", "aria-live": "polite" });
  const play = player(box, said, data);
  const buttons = html(
    "div",
    { class: "group", role: "group", "aria-label": "Stretch of the round" },
    button("−", "zoom out", () => play.zoom(2)),
    button("+", "zoom in", () => play.zoom(0.5)),
    button("◀", "earlier", () => play.pan(-0.25)),
    button("▶", "later", () => play.pan(0.25)),
    button("whole", "the whole round", play.all),
  );
  const keys = data.timeline.phases.map(({ name, label }) =>
    html("li", { class: "key" }, svg("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" }, svg("rect", { class: `phase ${name}`, x: 1, y: 1, width: 12, height: 12 })), label),
  );
  const help = "Arrow keys walk through the phases, + and − zoom, Shift with an arrow moves, 0 shows the whole round; the wheel zooms with Ctrl and moves with Shift.";
  root.append(html("div", { class: "controls" }), said, html("ul", { class: "legend", "aria-label": "Phases" }, ...keys), box, html("p", { class: "keys" }, help));
  root.querySelector(".controls").append(...rounds(data, play), buttons);
  steered(box, play);
  fitted(box, play.draw);
}
