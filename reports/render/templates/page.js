"use strict";
(() => {
  const LIMIT = 100;
  const byId = (id) => document.getElementById(id);
  const form = document.querySelector(".tools");
  const body = document.querySelector("#table tbody");
  const holder = byId("cards");
  const FACETS = ["subject", "dtype", "device", "group"];
  // Where a verdict belongs, from "subject · format · device · group".
  const place = (text) => {
    const parts = text.trim().split(" · ");
    const group = parts.pop(), device = parts.pop(), dtype = parts.pop();
    return { subject: parts.join(" · "), dtype, device, group };
  };
  const table = [...body.rows].map((element, order) => {
    const check = element.cells[0].textContent.trim();
    return {
      element, order, check, status: element.classList[0],
      places: [place(`${element.cells[2].textContent.trim()} · ${check.split("/", 1)[0]}`)],
    };
  });
  const cards = [...(holder?.children ?? [])].map((element, order) => {
    return {
      element, order, check: element.querySelector("h3").textContent.trim(), status: element.classList[1],
      places: element.dataset.places.trim().split("\n").map(place),
      size: parseFloat(element.querySelector(".size")?.textContent.replace("inf", "Infinity") ?? -1),
    };
  });
  let all = false;
  let sorted = "";

  function fill(select, values) {
    for (const value of [...new Set(values)].sort()) {
      const option = document.createElement("option");
      option.textContent = option.value = value;
      select.append(option);
    }
  }
  for (const facet of FACETS) fill(byId(facet), table.map((row) => row.places[0][facet]));

  const boxes = [...form.querySelectorAll("[name=status]")];
  const usual = boxes.filter((box) => box.defaultChecked).map((box) => box.value).join();

  // The view stands in the address, as far as it is not the usual one: so it can be sent.
  function keepView() {
    const view = new URLSearchParams();
    const keep = (name, value, plain = "") => { if (value !== plain) view.set(name, value); };
    keep("q", byId("search").value);
    for (const facet of FACETS) keep(facet, byId(facet).value);
    keep("order", byId("order").value, "worst");
    keep("status", boxes.filter((box) => box.checked).map((box) => box.value).join(), usual);
    keep("sort", sorted);
    keep("all", all ? "yes" : "");
    if (holder) keep("keys", byId("keys").checked ? "" : "off");
    const query = view.size ? `?${view}` : "";
    if (query === location.search) return;
    try {
      history.replaceState(null, "", (query || location.pathname) + location.hash);
    } catch {
      // A sandbox, or too many changes at a time: the filters work all the same.
    }
  }

  function readView() {
    const view = new URLSearchParams(location.search);
    form.reset();
    byId("search").value = view.get("q") ?? "";
    for (const name of [...FACETS, "order"]) {
      const select = byId(name);
      if ([...select.options].some((option) => option.value === view.get(name))) select.value = view.get(name);
    }
    const chosen = (view.get("status") ?? usual).split(",");
    for (const box of boxes) box.checked = chosen.includes(box.value);
    if (holder) byId("keys").checked = view.get("keys") !== "off";
    all = view.get("all") === "yes";
    const [name, down] = (view.get("sort") ?? "").split("-");
    const column = headings.findIndex((heading) => heading.textContent === name);
    if (column >= 0) sortBy(headings[column], column, down !== undefined);
    order();
    filter();
  }

  function textOf(item) {
    return (item.text ??= item.element.textContent.toLowerCase());
  }

  function wanted() {
    const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const statuses = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    const facets = FACETS.map((facet) => [facet, byId(facet).value]).filter(([, value]) => value);
    return (item) => statuses.has(item.status)
      && item.places.some((place) => facets.every(([facet, value]) => place[facet] === value))
      && words.every((word) => textOf(item).includes(word));
  }

  function filter() {
    const fits = wanted();
    let found = 0;
    for (const row of table) {
      const fit = fits(row);
      found += fit;
      row.element.hidden = !fit || (!all && found > LIMIT);
    }
    const shown = all ? found : Math.min(found, LIMIT);
    byId("rows-shown").textContent = `${shown.toLocaleString("en")} of ${table.length.toLocaleString("en")} checks shown`
      + (shown < found ? `; ${found.toLocaleString("en")} match.` : ".");
    byId("more").hidden = shown === found;
    let open = 0;
    for (const card of cards) {
      const fit = fits(card);
      open += fit;
      card.element.hidden = !fit;
    }
    if (holder) byId("cards-shown").textContent = `${open} of ${cards.length} findings shown.`;
    for (const button of document.querySelectorAll(".reset")) button.hidden = open === cards.length;
    linkNeighbours();
    keepView();
  }

  // Previous and next among the findings that are shown, in their order.
  function linkNeighbours() {
    const shown = cards.filter((card) => !card.element.hidden).map((card) => card.element);
    shown.forEach((element, index) => {
      for (const [name, other] of [["previous", shown[index - 1]], ["next", shown[index + 1]]]) {
        const link = element.querySelector(`.anchor .${name}`);
        link.hidden = !other;
        if (other) link.href = `#${other.id}`;
      }
    });
  }

  function step(by) {
    const shown = cards.filter((card) => !card.element.hidden).map((card) => card.element);
    const here = document.activeElement.closest("article") ?? byId(location.hash.slice(1));
    const index = shown.indexOf(here);
    const other = shown[index < 0 ? (by > 0 ? 0 : shown.length - 1) : index + by];
    if (other) location.hash = other.id;
  }

  function order() {
    const key = byId("order").value;
    const compare = {
      worst: (a, b) => a.order - b.order,
      size: (a, b) => b.size - a.size || a.order - b.order,
      check: (a, b) => a.check.localeCompare(b.check) || a.order - b.order,
      subject: (a, b) => a.places[0].subject.localeCompare(b.places[0].subject) || a.order - b.order,
    }[key];
    cards.sort(compare);
    holder?.append(...cards.map((card) => card.element));
  }

  function sortBy(heading, column, down) {
    sorted = heading.textContent + (down ? "-down" : "");
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (row) => row.element.cells[column].textContent.trim();
    const numeric = ["ulp", "seconds"].includes(heading.textContent);
    const keyed = table.map((row) => [numeric ? parseFloat(value(row).replace("inf", "Infinity")) : value(row), row]);
    const empty = (key) => key === "" || Number.isNaN(key);
    keyed.sort(([a, first], [b, second]) => {
      if (empty(a) || empty(b)) return empty(a) - empty(b) || first.order - second.order;
      const result = numeric ? a - b : a < b ? -1 : +(a > b);
      return (down ? -result : result) || first.order - second.order;
    });
    table.splice(0, table.length, ...keyed.map(([, row]) => row));
    body.append(...table.map((row) => row.element));
  }

  const headings = [...document.querySelectorAll("#table thead th")];
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      sortBy(heading, column, heading.getAttribute("aria-sort") === "ascending");
      filter();
    });
  });

  function set(data) {
    form.reset();
    for (const box of boxes) box.checked = !data.status || box.value === data.status;
    const wanted = data.where ? place(`${data.where} · ${data.group}`) : {};
    for (const facet of FACETS) byId(facet).value = wanted[facet] ?? "";
    all = false;
    filter();
  }

  function reveal() {
    const id = decodeURIComponent(location.hash.slice(1));
    const target = id && byId(id);
    if (!target) return;
    if (target.hidden) {
      if (target.matches("tr")) target.hidden = false;
      else set({});
    }
    const folded = target.matches("article") ? target.querySelector("details") : target.closest("details");
    if (folded) folded.open = true;
    target.scrollIntoView();
    if (target.matches("article")) target.querySelector("summary").focus({ preventScroll: true });
  }

  async function copy(button) {
    const code = button.closest(".snippet").querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      getSelection().selectAllChildren(code);
      document.execCommand("copy");
    }
    button.firstChild.textContent = "Copied";
    setTimeout(() => { button.firstChild.textContent = "Copy"; }, 2000);
  }

  // A list's choice may come as a change alone: not every browser and driver sends input for it.
  for (const kind of ["input", "change"]) form.addEventListener(kind, () => { all = false; order(); filter(); });
  for (const button of [byId("clear"), ...document.querySelectorAll(".reset")]) {
    button.addEventListener("click", () => { form.reset(); all = false; order(); filter(); });
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  byId("more").addEventListener("click", () => { all = true; filter(); });
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".copy");
    if (button) copy(button);
    const link = event.target.closest("a[data-status], a[data-group]");
    if (link) set(link.dataset);
  });
  document.addEventListener("keydown", (event) => {
    const by = { n: 1, p: -1 }[event.key];
    const typed = event.target.closest?.("input:not([type=checkbox]), select, textarea");
    const modified = event.ctrlKey || event.metaKey || event.altKey;
    if (by && holder && byId("keys").checked && !typed && !modified) step(by);
  });
  if (holder) byId("keys").addEventListener("change", keepView);
  addEventListener("hashchange", reveal);
  addEventListener("popstate", readView);
  readView();
  reveal();
})();
