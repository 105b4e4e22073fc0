/* The search index is the largest file of a page, and most visits never search. This holds its
   request back until the search field is focused, or until an address asks for results. */
"use strict";
{
  const { open, send } = XMLHttpRequest.prototype;
  const asked = new URLSearchParams(location.search);
  const later = new WeakSet();

  XMLHttpRequest.prototype.open = function (method, url, ...rest) {
    if (/\/search\/search_index\.json$/.test(url)) later.add(this);
    return open.call(this, method, url, ...rest);
  };

  XMLHttpRequest.prototype.send = function (...body) {
    if (!later.has(this) || asked.has("q") || asked.has("h")) return send.apply(this, body);
    const start = ({ target }) => {
      if (!target.closest(".md-search")) return;
      removeEventListener("focusin", start);
      send.apply(this, body);
    };
    addEventListener("focusin", start);
  };
}
