// The event source that live pages use: it lets go of its connection while the page is not seen (browsers allow a
// site few connections), goes on where it was when it is seen again, and tells the reader when the master is away.
(function () {
  "use strict";
  var HIDDEN_MS = 15000;

  function LiveSource(url) {
    this.target = new EventTarget();
    this.names = {};
    this.url = url;
    this.onopen = null;
    this.onerror = null;
    this.readyState = EventSource.CONNECTING;
    this.wait = 500;
    this.ended = false;
    var self = this;
    document.addEventListener("visibilitychange", function () { self.seen(); });
    window.addEventListener("pagehide", function () { self.drop(); });
    window.addEventListener("pageshow", function (event) { if (event.persisted) self.connect(); });
    this.connect();
    if (document.hidden) this.seen(); // opened in the background
  }

  LiveSource.prototype.connect = function () {
    if (this.ended || this.inner) return;
    var self = this;
    var inner = new EventSource(this.url, { withCredentials: true });
    this.inner = inner;
    inner.onopen = function (event) {
      self.wait = 500;
      self.readyState = EventSource.OPEN;
      show(false);
      if (self.onopen) self.onopen(event);
    };
    inner.onerror = function () {
      self.readyState = EventSource.CONNECTING;
      if (!self.leaving) show(true);
      if (inner.readyState === EventSource.CLOSED && self.inner === inner) {
        self.inner = null;
        window.setTimeout(function () { self.connect(); }, self.wait);
        self.wait = Math.min(self.wait * 2, 15000);
      }
    };
    Object.keys(this.names).forEach(function (name) { self.pass(name); });
  };

  LiveSource.prototype.pass = function (name) {
    var self = this;
    if (!this.inner) return;
    this.inner.addEventListener(name, function (event) {
      self.target.dispatchEvent(new MessageEvent(name, { data: event.data, lastEventId: event.lastEventId }));
    });
  };

  LiveSource.prototype.addEventListener = function (name, listener) {
    this.target.addEventListener(name, listener);
    if (!this.names[name]) {
      this.names[name] = true;
      this.pass(name);
    }
  };

  LiveSource.prototype.removeEventListener = function (name, listener) {
    this.target.removeEventListener(name, listener);
  };

  LiveSource.prototype.drop = function () {
    if (this.inner) this.inner.close();
    this.inner = null;
  };

  LiveSource.prototype.close = function () {
    this.ended = true;
    this.readyState = EventSource.CLOSED;
    this.drop();
  };

  LiveSource.prototype.seen = function () {
    var self = this;
    window.clearTimeout(this.hiding);
    if (document.hidden) this.hiding = window.setTimeout(function () { self.drop(); }, HIDDEN_MS);
    else this.connect();
  };

  function show(lost) {
    var notice = document.getElementById("connection");
    window.clearTimeout(show.timer);
    if (!notice) return;
    if (lost) show.timer = window.setTimeout(function () { notice.hidden = false; }, 1500);
    else notice.hidden = true;
  }

  window.LiveSource = LiveSource;
  if (window.htmx) window.htmx.createEventSource = function (url) { return new LiveSource(url); };
})();
