// The pages work without this script. With it, text can be copied, and the page of a
// study follows its trials: whenever the server says that they changed, the page is
// fetched again, and the parts that differ are replaced.
"use strict";

for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(text.textContent);
    button.textContent = "Copied";
  } catch { // some pages may not write to the clipboard
    getSelection().selectAllChildren(text);
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
});

const live = document.querySelector("[data-events]");
if (live) follow();

// say shows the state of the connection.
function say(text, problem) {
  if (live.textContent !== text) live.textContent = text; // a screen reader repeats what changes
  live.classList.toggle("problem", problem);
  live.classList.toggle("muted", !problem);
}

// follow listens to changes. When that ends, it asks for the page every few seconds, shows the
// reason why there is none, and listens again as soon as there is one.
function follow() {
  const events = new EventSource(live.dataset.events);
  const lost = (text) => {
    events.close();
    say(text, true);
    setTimeout(retry, 3000);
  };
  events.onopen = () => say("live", false);
  events.onerror = () => lost("The connection is lost.");
  events.addEventListener("gone", (event) => lost(event.data));
  events.addEventListener("change", refresh);
}

async function retry() {
  try {
    const response = await fetch(location.href);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (response.ok) {
      replace(page);
      follow();
      return;
    }
    say(page.querySelector("main p")?.textContent ?? response.statusText, true);
  } catch {
    say("The connection is lost.", true);
  }
  setTimeout(retry, 3000);
}

let fetching = false, again = false;

// refresh fetches the page. If it is called meanwhile, it fetches the page once more.
async function refresh() {
  if (fetching) {
    again = true;
    return;
  }
  fetching = true;
  try {
    const response = await fetch(location.href);
    if (response.ok) replace(new DOMParser().parseFromString(await response.text(), "text/html"));
  } catch {
    // The stream of events says that the connection is lost.
  }
  fetching = false;
  if (again) {
    again = false;
    refresh();
  }
}

// replace takes over the live parts of another version of this page. Open details stay
// open, and a part that has the focus is not replaced.
function replace(page) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const now = page.getElementById(part.id);
    if (!now || part.contains(document.activeElement) || now.innerHTML === part.dataset.was) continue;
    part.dataset.was = now.innerHTML;
    if (part.id === "plots" && part.children.length === now.children.length) {
      part.querySelectorAll("source, img").forEach((image, i) => {
        const to = now.querySelectorAll("source, img")[i];
        for (const name of ["src", "srcset"]) if (to.hasAttribute(name) && to.getAttribute(name) !== image.getAttribute(name)) image.setAttribute(name, to.getAttribute(name));
      });
      continue;
    }
    const open = [...part.querySelectorAll("details")].map((d) => d.open);
    part.replaceChildren(...now.childNodes);
    const details = part.querySelectorAll("details");
    if (details.length === open.length) details.forEach((d, i) => { d.open = open[i]; });
    for (const button of part.querySelectorAll("[data-copy]")) button.hidden = false;
  }
}
