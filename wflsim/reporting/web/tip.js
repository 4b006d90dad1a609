// What is told of a mark beside it, on hover and on focus; Escape takes it away.
const tip = html("div", { class: "tip", role: "tooltip", id: "tip", hidden: "" });
let tipOf = null;
document.body.append(tip);

/** Show lines beside an element. */
function showTip(element, lines) {
  tip.replaceChildren(...lines.map((line) => html("p", {}, line)));
  tip.hidden = false;
  tipOf = element;
  placeTip();
}

/** Put what is told beside its element, wherever that is by now. */
function placeTip() {
  if (!tipOf) return;
  const box = tipOf.getBoundingClientRect();
  const own = tip.getBoundingClientRect();
  const middle = box.left + box.width / 2 - own.width / 2;
  const left = Math.max(Math.min(middle, document.documentElement.clientWidth - own.width - 8), 8);
  const above = box.top - own.height - 10;
  tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(above > 8 ? above : box.bottom + 10)}px)`;
}

function hideTip() {
  tip.hidden = true;
  tipOf = null;
}

/** Tell of an element: now and then by lines, always by its name. */
function tells(element, lines) {
  element.setAttribute("aria-label", lines.join("; "));
  element.setAttribute("role", "img");
  element.addEventListener("pointerenter", () => showTip(element, lines));
  element.addEventListener("pointerleave", hideTip);
  element.addEventListener("focus", () => showTip(element, lines));
  element.addEventListener("blur", hideTip);
  return element;
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") hideTip();
});
window.addEventListener("scroll", placeTip, { passive: true });
