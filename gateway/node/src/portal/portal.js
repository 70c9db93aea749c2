// What is nicer with a script, and works without: a warning before the session ends, a draft kept in time, a progress bar.
"use strict";

const ends = Number(document.body.dataset.ends);
const draft = document.querySelector("form[data-draft]");

if (ends > 0) {
  const warn = Math.max(ends - 120, 1) * 1000;
  setTimeout(async () => {
    const bar = document.createElement("p");
    bar.className = "warning";
    bar.setAttribute("role", "alert");
    bar.textContent = "Votre session se termine dans deux minutes.";
    if (draft) {
      const body = new URLSearchParams(new FormData(draft));
      body.set("_action", "enregistrer");
      try {
        // Kept, and nobody stays signed in by it: a page that was left open must lapse.
        const kept = await fetch(`${draft.getAttribute("action")}/garde`, { method: "POST", body });
        if (kept.status !== 204) throw new Error();
        bar.textContent = "Votre brouillon est enregistré. Votre session se termine bientôt si vous ne faites rien.";
      } catch {
        bar.textContent = "Votre session se termine dans deux minutes. Enregistrez votre brouillon.";
      }
    }
    document.body.append(bar);
  }, warn);
}

const send = document.querySelector("form[data-send]");
if (send) {
  send.addEventListener("submit", (event) => {
    const files = [...send.querySelectorAll("input[type=file]")].some((input) => input.files.length > 0);
    const button = send.querySelector(".buttons button");
    if (!files) return;
    event.preventDefault();
    button.disabled = true;
    const bar = document.createElement("progress");
    bar.max = 100;
    bar.setAttribute("aria-label", "Envoi des pièces");
    button.before(bar);
    const request = new XMLHttpRequest();
    request.upload.addEventListener("progress", (at) => {
      if (at.lengthComputable) bar.value = Math.round((at.loaded / at.total) * 100);
    });
    request.addEventListener("load", () => {
      // Sent: the receipt. Refused: the form again, as the gateway wrote it.
      const page = new DOMParser().parseFromString(request.responseText, "text/html");
      if (request.status < 400 && request.responseURL !== send.action) location.assign(request.responseURL);
      else if (!page.querySelector("main")) location.reload();
      else {
        document.querySelector("main").replaceWith(page.querySelector("main"));
        document.title = page.title;
        document.querySelector("main").focus();
      }
    });
    request.addEventListener("error", () => {
      bar.remove();
      button.disabled = false;
      button.textContent = "Réessayer";
    });
    request.open("POST", send.action);
    request.send(new FormData(send));
  });
}
