// Widgets: each page shows them as stored. Whoever asks gets their controls, drawn by Jupyter's
// own manager, which is loaded only then.
(function () {
  "use strict";
  const root = document.documentElement.dataset.content_root || "./";

  function load(address) {
    return new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = root + address;
      script.onload = done;
      script.onerror = failed;
      document.head.append(script);
    });
  }

  async function play(button) {
    const notebook = button.closest(".widget").dataset.notebook;
    document.querySelectorAll(".widget-play").forEach((each) => { each.disabled = true; });
    await load(`widgets/${notebook}.js`);
    const state = document.createElement("script");
    state.type = "application/vnd.jupyter.widget-state+json";
    state.textContent = JSON.stringify(window.widgetState);
    document.head.append(state);
    const watch = new MutationObserver(() => {
      document.querySelectorAll(".widget").forEach((widget) => {
        if (widget.querySelector(".widget-subarea .jupyter-widgets")) {
          widget.classList.add("widget-live");
          widget.querySelector(".widget-play").hidden = true;
        }
      });
    });
    watch.observe(document.querySelector("main"), { childList: true, subtree: true });
    window.__jupyter_widgets_assets_path__ = `${root}_static/vendor/html-manager/`;
    await load("_static/vendor/html-manager/embed.js");
    window.dispatchEvent(new Event("load")); // the moment that the manager waits for is past
  }

  document.querySelectorAll(".widget-play").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", () => play(button));
  });
})();
