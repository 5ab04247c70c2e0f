// The filter of a diff's page. Without this script the page shows everything.
"use strict";
(() => {
  const form = document.getElementById("filters");
  if (!form) return;
  const text = document.getElementById("text");
  const rows = [...document.querySelectorAll(".lines tbody tr")];
  const said = rows.map((row) => row.textContent.toLowerCase());
  const folded = [...document.querySelectorAll("details.block")];

  const apply = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, index) => {
      const fits = words.every((word) => said[index].includes(word));
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    });
    // What is searched for is shown, wherever it lies.
    for (const block of folded) {
      block.open = words.length > 0 && block.querySelector("tbody tr:not([hidden])") !== null;
    }
    document.getElementById("shown").textContent = `${shown} of ${rows.length} lines`;
  };

  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  apply();
})();
