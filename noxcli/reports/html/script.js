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
