// <script src="analytics.js" data-api="https://api.example.com" defer></script>
{
  let { currentScript: s, referrer } = document, last,
    view = () => {
      let path = location.pathname + (location.hash.match(s.dataset.hash) || "")
      if (path != last) navigator.sendBeacon(s.dataset.api + "/api/v1/projects/analytics/events", JSON.stringify({ path: last = path, referrer }))
      referrer = ""
    }
  for (let f of ["pushState", "replaceState"]) {
    let was = history[f]
    history[f] = (...a) => { was.apply(history, a); view() }
  }
  addEventListener("popstate", view)
  view()
}
