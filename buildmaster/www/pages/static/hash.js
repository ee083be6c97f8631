// Links of Buildbot's front end have their page behind "#/": go to our page of the same path.
(function () {
  "use strict";
  var hash = window.location.hash;
  if (hash.slice(0, 2) === "#/") {
    var root = document.currentScript.getAttribute("data-root");
    var path = hash.slice(2).replace(/^\/+/, "");
    var retired = /^(settings)(\/|$)/.test(path);
    window.location.replace(new URL(root + (retired ? "" : path), window.location.href.split("#")[0]).href);
  }
  document.documentElement.className += " script";
})();
