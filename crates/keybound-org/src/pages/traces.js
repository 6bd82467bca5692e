// The live trace, for browsers that run scripts: new messages come by themselves, and a file is read where it is.
"use strict";

const news = document.getElementById("news");
const choice = document.getElementById("choice");

if (choice) {
  const text = document.getElementById("file");
  document.getElementById("choose").hidden = false;
  choice.addEventListener("change", async () => {
    if (choice.files.length) text.value = await choice.files[0].text();
  });
}

if (news) {
  const say = (text) => { news.textContent = text; };
  let isWaiting = false;

  // Many messages make one update.
  const update = () => {
    if (isWaiting) return;
    isWaiting = true;
    setTimeout(async () => {
      isWaiting = false;
      const answer = await fetch(location.href, { redirect: "error" }).catch(() => null);
      if (!answer || !answer.ok) return say("The org does not answer. Load the page again.");
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const shown = document.getElementById("conversations");
      const focused = shown.contains(document.activeElement) && document.activeElement.getAttribute("href");
      shown.replaceChildren(...page.getElementById("conversations").childNodes);
      if (focused) shown.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
    }, 250);
  };

  const events = new EventSource("/admin/traces/live");
  events.addEventListener("open", () => { say("Live: new messages appear by themselves."); update(); });
  events.addEventListener("error", () => say("Not live: the connection to the org is lost."));
  events.addEventListener("missed", update);
  events.addEventListener("exchange", (event) => {
    const { method, target, status, verdict } = JSON.parse(event.data);
    say(`${method} ${target.split("?")[0]}: ${status ?? "no answer"}, ${verdict.outcome}.`);
    update();
  });
}
