// Puts what the stream sends in its place. All HTML in it was made and escaped by the server's templates.
"use strict";
(function () {
  const live = document.getElementById("live");

  function say(text, on) {
    live.textContent = text;
    live.classList.toggle("on", on);
  }

  function rowsOf(card) {
    const rows = new Map();
    for (const row of card.querySelectorAll("[data-property]")) rows.set(row.dataset.property, row);
    return rows;
  }

  // shown is what makes a row flash when it changes: its value and quality, not its time.
  function shown(row) {
    const quality = row.querySelector(".quality");
    return row.querySelector(".value").title + "\n" + (quality ? quality.textContent : "");
  }

  // flash marks the rows of the new card that are not as they were in the old one.
  function flash(card, old) {
    const before = old ? rowsOf(old) : new Map();
    for (const [name, row] of rowsOf(card)) {
      const was = before.get(name);
      if (!was || shown(was) !== shown(row)) row.classList.add("flash");
    }
  }

  function cardOf(name) {
    for (const card of document.querySelectorAll("#things [data-thing]")) if (card.dataset.thing === name) return card;
    return null;
  }

  function replaceThing(name, html) {
    const old = cardOf(name);
    if (!old) return;
    const holder = document.createElement("template");
    holder.innerHTML = html.trim();
    const card = holder.content.firstElementChild;
    flash(card, old);
    old.replaceWith(card);
  }

  function replaceThings(html) {
    const box = document.getElementById("things");
    const old = box.cloneNode(true);
    box.innerHTML = html;
    const before = new Map();
    for (const card of old.querySelectorAll("[data-thing]")) before.set(card.dataset.thing, card);
    for (const card of box.querySelectorAll("[data-thing]")) flash(card, before.get(card.dataset.thing));
  }

  // replaceSection keeps the keyboard's place: the button that had the focus gets it again.
  function replaceSection(id, html) {
    const section = document.getElementById(id);
    const active = document.activeElement;
    const focus = section.contains(active) ? active.dataset.focus : undefined;
    section.innerHTML = html;
    if (focus === undefined) return;
    for (const button of section.querySelectorAll("[data-focus]")) if (button.dataset.focus === focus) button.focus();
  }

  const stream = new EventSource(document.body.dataset.stream);
  stream.onopen = () => say("live", true);
  stream.onerror = () => say("the platform does not answer, trying again", false);
  stream.onmessage = (event) => {
    const update = JSON.parse(event.data);
    if (update.things !== undefined) replaceThings(update.things);
    for (const name in update.changed || {}) replaceThing(name, update.changed[name]);
    for (const id of ["waiting", "events", "refusals", "stats"]) if (update[id] !== undefined) replaceSection(id, update[id]);
  };
})();
