// <script src="analytics.js" data-api="https://api.example.com" defer></script>
(s => {
  let api = s.dataset.api + "/api/v1/projects/analytics/events", referrer = document.referrer, last,
    view = () => {
      let path = location.pathname
      if (path != last) navigator.sendBeacon(api, JSON.stringify({ path: last = path, referrer }))
      referrer = ""
    }
  for (let f of ["pushState", "replaceState"]) {
    let was = history[f]
    history[f] = function () { was.apply(this, arguments); view() }
  }
  addEventListener("popstate", view)
  view()
})(document.currentScript)
