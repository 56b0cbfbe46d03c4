"use strict";
(() => {
  const LIMIT = 500;
  const byId = (id) => document.getElementById(id);
  const form = document.querySelector(".tools");
  const body = document.querySelector("#table tbody");
  const holder = byId("cards");
  const table = [...body.rows].map((element, place) => {
    const cell = (index) => element.cells[index].textContent.trim();
    const check = cell(0);
    return {
      element, place, number: element.id.slice(1), check, status: element.className.split(" ")[0],
      group: check.split("/", 1)[0], subject: cell(2), dtype: cell(3),
    };
  });
  const byNumber = new Map(table.map((row) => [row.number, row]));
  const cards = holder ? [...holder.querySelectorAll("article")].map((element, place) => {
    const size = element.querySelector(".size");
    const where = element.querySelector(".where").textContent.split(" · ");
    const check = element.querySelector("h3").textContent.trim();
    return {
      element, place, check, status: element.classList.contains("known") ? "known" : "diverges",
      group: check.split("/", 1)[0], subject: where[0].trim(), dtype: where[1].trim(),
      size: size ? parseFloat(size.textContent) : -1,
    };
  }) : [];
  let all = false;

  function fill(select, values) {
    for (const value of [...new Set(values)].sort()) {
      const option = document.createElement("option");
      option.textContent = option.value = value;
      select.append(option);
    }
  }
  fill(byId("subject"), table.map((row) => row.subject));
  fill(byId("dtype"), table.map((row) => row.dtype));
  fill(byId("group"), table.map((row) => row.group));

  function textOf(item) {
    return (item.text ??= item.element.textContent.toLowerCase());
  }

  function wanted() {
    const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const statuses = new Set([...form.querySelectorAll("[name=status]:checked")].map((box) => box.value));
    const [subject, dtype, group] = ["subject", "dtype", "group"].map((id) => byId(id).value);
    return (item) => statuses.has(item.status)
      && (!subject || item.subject === subject) && (!dtype || item.dtype === dtype)
      && (!group || item.group === group) && words.every((word) => textOf(item).includes(word));
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
    if (holder) byId("cards-shown").textContent = `${open} of ${cards.length} divergences shown.`;
  }

  function order() {
    const key = byId("order").value;
    const compare = {
      worst: (a, b) => a.place - b.place,
      size: (a, b) => b.size - a.size || a.place - b.place,
      check: (a, b) => a.check.localeCompare(b.check) || a.place - b.place,
      subject: (a, b) => a.subject.localeCompare(b.subject) || a.place - b.place,
    }[key];
    cards.sort(compare);
    holder?.append(...cards.map((card) => card.element));
  }

  function sortBy(heading, column) {
    const down = heading.getAttribute("aria-sort") === "ascending";
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (row) => row.element.cells[column].textContent.trim();
    const numeric = heading.textContent === "ulp";
    const keyed = table.map((row) => [numeric ? parseFloat(value(row).replace("inf", "Infinity")) : value(row), row]);
    const empty = (key) => key === "" || Number.isNaN(key);
    keyed.sort(([a, first], [b, second]) => {
      if (empty(a) || empty(b)) return empty(a) - empty(b) || first.place - second.place;
      const result = numeric ? a - b : a < b ? -1 : +(a > b);
      return (down ? -result : result) || first.place - second.place;
    });
    table.splice(0, table.length, ...keyed.map(([, row]) => row));
    body.append(...table.map((row) => row.element));
    filter();
  }

  [...document.querySelectorAll("#table thead th")].forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    heading.replaceChildren(button);
    button.addEventListener("click", () => sortBy(heading, column));
  });

  function set(data) {
    form.reset();
    for (const box of form.querySelectorAll("[name=status]")) box.checked = !data.status || box.value === data.status;
    for (const id of ["group", "dtype"]) byId(id).value = data[id] ?? "";
    if (data.subject) {
      byId("subject").value = table.find((row) => row.subject === data.subject || row.subject.startsWith(`${data.subject} `))?.subject ?? "";
    }
    filter();
  }

  function reveal() {
    const id = decodeURIComponent(location.hash.slice(1));
    const target = id && byId(id);
    if (!target) return;
    if (target.hidden) {
      if (/^v\d+$/.test(id) && byNumber.has(id.slice(1))) target.hidden = false;
      else set({});
    }
    const folded = target.matches("article") ? target.querySelector("details") : target.closest("details");
    if (folded) folded.open = true;
    target.scrollIntoView();
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

  form.addEventListener("input", () => { all = false; filter(); });
  form.addEventListener("reset", () => setTimeout(() => { all = false; order(); filter(); }));
  form.addEventListener("submit", (event) => event.preventDefault());
  byId("order").addEventListener("input", order);
  byId("more").addEventListener("click", () => { all = true; filter(); });
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".copy");
    if (button) copy(button);
    const link = event.target.closest("a[data-status], a[data-group]");
    if (link) set(link.dataset);
  });
  addEventListener("hashchange", reveal);
  filter();
  reveal();
})();
