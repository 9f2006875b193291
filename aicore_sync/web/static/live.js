// Keeps a page current: after each notice of /live its content is fetched again and put in the place of the old one.
"use strict";
(() => {
  const word = document.getElementById("live");
  const say = (text) => { if (word) word.textContent = text; };
  let busy = false, again = false;

  const busyReader = () => {
    const at = document.activeElement;
    return (at && /^(INPUT|SELECT|TEXTAREA)$/.test(at.tagName) && at.type !== "checkbox")
      || document.querySelector("main input:checked") !== null
      || String(document.getSelection()).length > 0;
  };

  async function refresh() {
    if (busy) { again = true; return; }
    if (busyReader()) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html", "X-Live": "1" }, cache: "no-store" });
      if (answer.redirected) { location.reload(); return; }
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (busyReader()) { again = true; return; }
      const log = document.getElementById("log-lines");
      const focused = document.activeElement && document.activeElement.getAttribute("href");
      const scrolled = [...document.querySelectorAll(".scroll")].map((part) => part.scrollLeft);
      const told = document.querySelector(".told");
      if (told) fresh.getElementById("content").prepend(told);
      document.getElementById("content").replaceWith(fresh.getElementById("content"));
      document.querySelectorAll(".scroll").forEach((part, at) => { part.scrollLeft = scrolled[at] || 0; });
      const newLog = document.getElementById("log-lines");
      if (log && newLog && log.dataset.following) newLog.replaceWith(log);
      document.getElementById("as-of").replaceWith(fresh.getElementById("as-of"));
      document.title = fresh.title;
      if (focused) {
        const same = document.querySelector(`[href="${CSS.escape(focused)}"]`);
        if (same) same.focus({ preventScroll: true });
      }
      say("Live");
    } catch (error) {
      say("Not reachable; shown is what was last known");
    } finally {
      busy = false;
    }
  }
  setInterval(() => { if (again && !busy && !busyReader()) { again = false; refresh(); } }, 1000);

  const source = new EventSource("/live");
  let first = true;
  source.onmessage = () => { if (first) { first = false; say("Live"); } else { refresh(); } };
  source.onerror = () => { first = false; say("Connecting again …"); };
  addEventListener("pagehide", () => source.close());

  async function read(log) {
    const answer = await fetch(log.dataset.follow);
    if (!answer.ok || !answer.body) throw new Error(answer.statusText);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let begun = false;
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const below = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
      if (!begun) { log.textContent = ""; begun = true; }
      log.append(value);
      if (below) log.scrollTop = log.scrollHeight;
    }
  }
  // While a log is followed refreshes leave it alone; when that breaks they show its end, until it is followed again.
  async function follow(wait) {
    const log = document.getElementById("log-lines");
    if (!log || !log.dataset.follow) return;
    log.dataset.following = "yes";
    const since = Date.now();
    try {
      await read(log);
      wait = 0;
    } catch (error) {
      wait = Date.now() - since > 60000 ? 2000 : Math.min(60000, 2 * wait);
    } finally {
      delete log.dataset.following;
    }
    refresh();
    setTimeout(() => follow(wait || 2000), wait || 2000);
  }
  const log = document.getElementById("log-lines");
  if (log) { log.scrollTop = log.scrollHeight; follow(2000); }
})();
