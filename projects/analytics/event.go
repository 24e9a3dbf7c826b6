package analytics

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
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
	// Path is that of the page; query and fragment are cut off, because they may
	// hold secrets.
	Path string `json:"path"`
	// Referrer is the URL of the page that led here; only its host is kept.
	Referrer string `json:"referrer,omitempty"`
	// Title is accepted because some clients send it, and not kept.
	Title string `json:"title,omitempty"`
}

var errOrigin = httpx.ErrOriginRefused.With("The page that sent this is in neither HOMEBASE_ORIGINS nor HOMEBASE_PUBLIC_ORIGINS.")

// robots are lower-case words in the User-Agent of programs that are not a person's
// browser: crawlers (most call themselves bot, such as Googlebot, Applebot,
// Slackbot, Twitterbot, LinkedInBot, Discordbot and TelegramBot), programs that
// fetch a page to preview a link, monitors, and libraries. Browsers inside apps,
// such as Instagram's, are used by people.
var robots = strings.Fields(`bot crawl spider slurp preview facebookexternalhit facebookcatalog meta-external whatsapp/ embedly iframely vkshare
	mastodon/ pleroma misskey akkoma lemmy/ google-inspectiontool mediapartners feedfetcher headless lighthouse phantom puppeteer playwright
	monitor uptime scrap archiver curl/ wget httpie libwww python java/ okhttp axios node-fetch undici go-http http.rb guzzle`)

// robot reports whether the User-Agent is not a person's. Cubot makes phones.
func robot(agent string) bool {
	agent = strings.ReplaceAll(strings.ToLower(agent), "cubot", "")
	return agent == "" || slices.ContainsFunc(robots, func(word string) bool { return strings.Contains(agent, word) })
}

// view is an event on its way to the table. The network, an IPv4 address or a /64, is
// in memory for about a second.
type view struct {
	at                           time.Time
	site, path, referrer, device string
	network                      netip.Prefix
	agent                        string
}

// postEvent serves POST /projects/analytics/events. Robots, and clients that have
// sent too many, get the same answer as everybody.
func (a *app) postEvent(c *httpx.Call, in Event) error {
	origin := c.Header.Get("Origin")
	if !slices.Contains(a.host.Origins, origin) {
		return errOrigin
	}
	path := onePath(in.Path)
	if !strings.HasPrefix(path, "/") || len(path) > maxPath {
		return httpx.Invalid("#/path", "invalid", "A path begins with a slash and has at most 512 bytes.")
	}
	agent := c.UserAgent()
	if robot(agent) {
		return nil
	}
	_, site, _ := strings.Cut(origin, "://")
	v := view{at: time.Now(), site: site, path: path, referrer: referrer(in.Referrer, site), device: device(agent),
		network: httpx.ClientNetwork(c.Context()), agent: agent}
	if !a.networks.admit(httpx.ClientNetworks(c.Context()), v.at) || !a.views.Add(v) {
		a.dropped.Add(1)
		a.views.Wake()
	}
	return nil
}

// onePath is the normal form of a page's path (RFC 3986, section 6.2.2): without query,
// fragment and trailing slash, with unreserved characters unescaped and all others
// escaped with upper-case digits where necessary.
func onePath(text string) string {
	const hex = "0123456789ABCDEF"
	if end := strings.IndexAny(text, "?#"); end >= 0 {
		text = text[:end]
	}
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		c, escaped := text[i], false
		if c == '%' && i+2 < len(text) {
			if v, err := strconv.ParseUint(text[i+1:i+3], 16, 8); err == nil {
				c, escaped, i = byte(v), true, i+2
			}
		}
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
		if letter || !escaped && strings.IndexByte("/!$&'()*+,;=:@", c) >= 0 {
			out.WriteByte(c)
		} else {
			out.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	if path := strings.TrimRight(out.String(), "/"); path != "" || !strings.HasPrefix(text, "/") {
		return path
	}
	return "/"
}

// referrer is the host of a URL if that is another site, otherwise "".
func referrer(text, site string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || strings.EqualFold(u.Host, site) || len(u.Hostname()) > maxHost {
		return ""
	}
	return strings.TrimPrefix(strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")), "www.")
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
