// The button for day and night; what was chosen is kept where the browser allows it.
const THEME = "wflsim-report-theme";

function kept() {
  try {
    return localStorage.getItem(THEME);
  } catch {
    return null;
  }
}

function keep(theme) {
  try {
    localStorage.setItem(THEME, theme);
  } catch {
    // Files opened from a disk may have no storage.
  }
}

function dark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Let the button change between day and night. */
function themed() {
  const made = document.getElementById("theme");
  const said = kept();
  if (said === "dark" || said === "light") document.documentElement.dataset.theme = said;
  const tell = () => {
    made.textContent = dark() ? "Light" : "Dark";
    made.setAttribute("aria-label", `Show the page in ${dark() ? "light" : "dark"} colours`);
  };
  made.addEventListener("click", () => {
    document.documentElement.dataset.theme = dark() ? "light" : "dark";
    keep(document.documentElement.dataset.theme);
    tell();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
  made.hidden = false;
  tell();
}
