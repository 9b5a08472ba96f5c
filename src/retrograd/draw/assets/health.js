"use strict";
const tip = document.getElementById("tip");
document.querySelectorAll("#health .rg-cells").forEach((row, i) => {
  row.addEventListener("pointermove", event => {
    const box = row.getBoundingClientRect(), count = HEALTH.spans.length;
    const k = Math.min(Math.max(Math.floor((event.clientX - box.left) / box.width * count), 0), count - 1);
    const [a, b] = HEALTH.spans[k];
    tip.textContent = `${HEALTH.layers[i] || "(model)"}, backward ${a === b ? a : `${a} to ${b}, largest`}: ${HEALTH.cells[k][i]}`;
    tip.hidden = false;
    tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${event.clientY + 14}px`;
  });
  row.addEventListener("pointerleave", () => { tip.hidden = true; });
});
