"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const made = (tag, name, text) => Object.assign(document.createElement(tag), {className: name, textContent: text || ""});

  for (const code of all(".commands code")) {
    const button = made("button", "copy", "Copy");
    button.type = "button";
    button.setAttribute("aria-label", "Copy the command");
    button.onclick = async () => {
      getSelection().selectAllChildren(code);
      try { await navigator.clipboard.writeText(code.textContent); button.textContent = "Copied"; }
      catch { button.textContent = "Press Ctrl+C"; }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    };
    code.after(button);
  }

  // The waterfall: a line under the pointer, the times of the node that has the focus, arrows from node to node.
  for (const fall of all(".fall")) {
    const total = Number(fall.dataset.total), rows = all("summary", fall), line = made("div", "cursor");
    const out = made("p", "readout");
    out.setAttribute("role", "status");
    fall.after(out);
    if (total) fall.append(line);
    line.hidden = true;
    const place = (share) => {
      const bar = fall.querySelector("svg.bar").getBoundingClientRect(), box = fall.getBoundingClientRect();
      line.hidden = false;
      line.style.left = `${bar.left - box.left + share * bar.width}px`;
      return bar;
    };
    const tell = (row) => {
      out.textContent = row.dataset.told;
      if (total && row.dataset.at) place(Number(row.dataset.at) / total);
    };
    fall.onpointermove = (event) => {
      const bar = fall.querySelector("svg.bar")?.getBoundingClientRect();
      const share = bar ? (event.clientX - bar.left) / bar.width : -1;
      const row = event.target.closest("summary");
      if (total && share >= 0 && share <= 1) place(share);
      const at = total && share >= 0 && share <= 1 ? `${(share * total).toFixed(2)} s` : "";
      out.textContent = [at, row ? row.dataset.told : ""].filter(Boolean).join(" | ");
    };
    fall.onpointerleave = () => { line.hidden = true; };
    fall.addEventListener("focusin", (event) => { if (event.target.dataset.told) tell(event.target); });
    fall.addEventListener("keydown", (event) => {
      const here = rows.indexOf(event.target);
      const to = {ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: rows.length - 1}[event.key];
      if (here < 0 || to === undefined) return;
      event.preventDefault();
      rows[Math.max(0, Math.min(rows.length - 1, to))].focus();
    });
  }

  // The rows of a batch: search beside the filter by status, which needs no script.
  const table = document.querySelector(".rows");
  if (table) {
    const filter = document.querySelector(".filter"), rows = all(":scope > details", table);
    const search = Object.assign(document.createElement("input"), {type: "search", placeholder: "Search rows ( / )"});
    search.setAttribute("aria-label", "Search rows");
    const found = made("output", "dim");
    filter.append(search, found);
    const texts = rows.map(() => null);
    let waiting = 0;
    const look = () => {
      const word = search.value.trim().toLowerCase();
      let count = 0;
      rows.forEach((row, number) => {
        const fits = !word || (texts[number] ??= row.textContent.toLowerCase()).includes(word);
        if (row.classList.contains("no") === fits) row.classList.toggle("no", !fits);
        count += fits;
      });
      found.textContent = word ? `${count.toLocaleString("en")} match` : "";
    };
    search.oninput = () => { clearTimeout(waiting); waiting = setTimeout(look, 120); };
    document.addEventListener("keydown", (event) => {
      if (event.key === "/" && document.activeElement !== search) { event.preventDefault(); search.focus(); }
    });
    // A link to a row unfolds it; if the filter hides it, all rows are shown again.
    const unfold = () => {
      const row = document.getElementById(location.hash.slice(1));
      if (!row) return;
      row.open = true;
      if (row.getClientRects().length) return;
      filter.querySelector("input").checked = true;
      search.value = "";
      look();
      row.scrollIntoView({block: "center"});
    };
    addEventListener("hashchange", unfold);
    unfold();
  }

  // Paper has nothing to unfold.
  let closed = [];
  addEventListener("beforeprint", () => { closed = all("details:not([open])"); closed.forEach((one) => { one.open = true; }); });
  addEventListener("afterprint", () => { closed.forEach((one) => { one.open = false; }); });
})();
