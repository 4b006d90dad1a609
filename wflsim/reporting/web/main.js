// Everything is set up; what fails to be drawn leaves the rest alone.
const given = JSON.parse(document.getElementById("data").textContent);
const shownVariants = switches(given.variants.length);
const CHARTS = { tradeoff, progress, timeline };

document.querySelectorAll("[data-chart]").forEach((root) => {
  root.hidden = false;
  CHARTS[root.dataset.chart](root, given, shownVariants);
});
document.querySelectorAll("table.sortable").forEach(sortable);
themed();
