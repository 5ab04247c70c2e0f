// Filters and links into closed checks. Without this script the page shows everything.
"use strict";
(() => {
  const form = document.getElementById("filters");
  const text = document.getElementById("text");
  const boxes = [...form.querySelectorAll("input[type=checkbox]")];
  const checks = [...document.querySelectorAll("#list > .check")];
  const said = checks.map((check) => check.querySelector("summary").textContent.toLowerCase());

  const apply = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const verdicts = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    let shown = 0;
    checks.forEach((check, index) => {
      const fits = verdicts.has(check.dataset.verdict) && words.every((word) => said[index].includes(word));
      check.hidden = !fits;
      shown += fits ? 1 : 0;
    });
    document.getElementById("shown").textContent = `${shown} of ${checks.length} shown`;
    document.getElementById("none").hidden = shown > 0;
  };
  const openAll = (open) => {
    for (const check of checks) {
      if (!check.hidden) check.open = open;
    }
  };
  const follow = () => {
    let id = location.hash.slice(1);
    try {
      id = decodeURIComponent(id);
    } catch {
      return;
    }
    const check = checks.find((candidate) => candidate.id === id);
    if (!check) return;
    check.hidden = false;
    check.open = true;
    check.scrollIntoView();
    check.querySelector("summary").focus({ preventScroll: true });
  };

  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("open").addEventListener("click", () => openAll(true));
  document.getElementById("close").addEventListener("click", () => openAll(false));
  addEventListener("hashchange", follow);
  form.hidden = false;
  apply();
  follow();
})();
