package analytics

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"homebase/httpx"
)

const (
	maxEvent = 4 << 10 // bytes
	maxPath  = 512     // bytes
	maxHost  = 253     // bytes, as in DNS
)

// Event is one page view, the body of POST /projects/analytics/events.
type Event struct {
	// Path is that of the page; a query and a fragment are cut off, for they
	// may hold secrets.
	Path string `json:"path"`
	// Referrer is the URL of the page that led here; only its host is kept.
	Referrer string `json:"referrer,omitempty"`
	// Title is taken for clients that send it, and not kept.
	Title string `json:"title,omitempty"`
}

var errOrigin = httpx.NewProblem(http.StatusForbidden, "origin_refused", "Requests from this origin are refused").
	With("The page that sent this is of neither HOMEBASE_ORIGINS nor HOMEBASE_PUBLIC_ORIGINS.")

// robots are words in the User-Agent, in small letters, of programs that are
// no person's browser.
var robots = strings.Fields(`bot crawl spider slurp headless lighthouse preview monitor uptime scrap curl/ wget/ python java/ okhttp
	axios node-fetch go-http phantom puppeteer playwright`)

// robot reports whether no person sent this. Cubot makes phones.
func robot(agent string) bool {
	agent = strings.ReplaceAll(strings.ToLower(agent), "cubot", "")
	return agent == "" || slices.ContainsFunc(robots, func(word string) bool { return strings.Contains(agent, word) })
}

// view is an event on its way to the table. The network, an IPv4
// address or a /64, lives in it for a second, in memory.
type view struct {
	at                           time.Time
	site, path, referrer, device string
	network                      netip.Prefix
	agent                        string
}

// postEvent serves POST /projects/analytics/events. A robot gets the answer
// that everybody gets.
func (a *app) postEvent(w http.ResponseWriter, r *http.Request) error {
	origin := r.Header.Get("Origin")
	if !slices.Contains(a.host.Origins, origin) {
		return errOrigin
	}
	in, err := httpx.ReadJSON[Event](w, r)
	if err != nil {
		return err
	}
	path, _, _ := strings.Cut(in.Path, "#")
	path, _, _ = strings.Cut(path, "?")
	if !strings.HasPrefix(path, "/") || len(path) > maxPath {
		var f httpx.Fields
		f.Add("#/path", "invalid", "A path begins with a slash and has at most 512 bytes.")
		return f.Err()
	}
	if agent := r.UserAgent(); !robot(agent) {
		_, site, _ := strings.Cut(origin, "://")
		a.take(view{at: time.Now(), site: site, path: path, referrer: referrer(in.Referrer, site), device: device(agent),
			network: httpx.ClientNetwork(r.Context()), agent: agent})
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// referrer is the host of another site that a URL leads to, "" when it is
// none.
func referrer(text, site string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || strings.EqualFold(u.Host, site) || len(u.Hostname()) > maxHost {
		return ""
	}
	return strings.TrimPrefix(strings.ToLower(u.Hostname()), "www.")
}

// device is the class of the device that a browser names.
func device(agent string) string {
	has := func(word string) bool { return strings.Contains(agent, word) }
	switch {
	case has("iPad"), has("Tablet"), has("Android") && !has("Mobile"):
		return "tablet"
	case has("Mobi"), has("iPhone"):
		return "phone"
	}
	return "desktop"
}
