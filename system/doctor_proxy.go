package system

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"time"

	"homebase/httpx"
)

// Everything between the internet and the server is tested from the outside, with
// requests like those of clients, and judged by how they arrive. Where a proxy must
// be configured, the lines are for Nginx Proxy Manager's box "Custom Nginx
// Configuration", in the host's tab "Advanced".

// asker asks an address as the internet sees it. It follows no redirect.
type asker struct {
	ctx    context.Context
	base   string // what comes before every path
	client *http.Client
}

func newAsker(ctx context.Context, base string, transport *http.Transport) asker {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return asker{ctx, base, &http.Client{Transport: transport, CheckRedirect: stay}}
}

// ask returns the answer and the beginning of its text.
func (a *asker) ask(within time.Duration, method, path string, body io.Reader, change ...func(*http.Request)) (*http.Response, string, error) {
	ctx, cancel := context.WithTimeout(a.ctx, within)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, a.base+path, body)
	if err != nil {
		return nil, "", err
	}
	for _, fn := range change {
		fn(r)
	}
	res, err := a.client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	return res, string(text), err
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// outside is the public URL as the doctor sees it.
type outside struct {
	asker
	cfg   *Config
	f     *findings
	token string
}

const (
	forgedAddr  = "198.51.100.77" // of a network reserved for documentation
	hugeBody    = 1 << 40         // bytes that are announced, but never all sent
	probeWithin = 20 * time.Second
	soonExpires = 14 * 24 * time.Hour
)

// sayings are the headers by which clients could claim an address. The last is one
// that older lines of deploy/ told nginx to believe.
var sayings = [][2]string{{"X-Real-Ip", forgedAddr}, {"X-Forwarded-For", forgedAddr}, {"Forwarded", "for=" + forgedAddr}, {"X-Client-Ip", forgedAddr},
	{"True-Client-Ip", forgedAddr}, {"Cf-Connecting-Ip", forgedAddr}, {"X-Unused", forgedAddr}}

func examinePublicURL(ctx context.Context, cfg *Config, f *findings) {
	o := &outside{newAsker(ctx, cfg.PublicURL.String()+httpx.Prefix, &http.Transport{TLSClientConfig: &tls.Config{}}), cfg, f,
		newProbeToken(cfg.Keys(probePurpose), time.Now().Add(probeFor))}
	defer o.client.CloseIdleConnections()
	first, ok := o.reach()
	if !ok {
		return
	}
	if !o.examineCache(first) {
		return // cached answers say nothing about the next request
	}
	o.examineClient()
	o.examineHeaders()
	o.examineLimit()
	o.examinePause("request_buffering", "Uploads pass through as they are sent.",
		"The proxy buffers an upload until all of it has arrived.", "An upload in parts did not arrive", o.sendBody)
	o.examinePause("event_stream", "Events pass through as they are sent.",
		"The proxy buffers a stream of events until it ends.", "A stream of events is cut off when nothing is sent for a moment", o.readStream)
	o.examineOrigins()
}

// send asks for a path below /api/v1 with the token of the probe.
func (o *outside) send(method, path string, body io.Reader, change ...func(*http.Request)) (*http.Response, string, error) {
	return o.ask(probeWithin, method, path, body, append(change, header(probeHeader, o.token))...)
}

// probe is how the server saw a request.
func (o *outside) probe(method string, body io.Reader, change ...func(*http.Request)) (*http.Response, Seen, error) {
	res, text, err := o.send(method, "/system/probe", body, change...)
	var seen Seen
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("the answer is %s: %.200s", res.Status, text)
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &seen)
	}
	return res, seen, err
}

// reach finds out whether this server answers at the public URL. If the certificate is
// not trusted, it goes on without checking it.
func (o *outside) reach() (first *http.Response, ok bool) {
	res, text, err := o.send("GET", "/system/probe", nil)
	if _, invalid := errors.AsType[*tls.CertificateVerificationError](err); invalid {
		o.f.add("tls", Fault, "The certificate is not valid: "+err.Error())
		o.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		res, text, err = o.send("GET", "/system/probe", nil)
	} else if err == nil && res.TLS != nil {
		until := res.TLS.PeerCertificates[0].NotAfter
		what := fmt.Sprintf("The certificate is valid until %s.", until.UTC().Format(time.DateOnly))
		o.f.expect("tls", time.Until(until) >= soonExpires, what, Warning, what+" It should have been renewed by now.")
	}
	switch {
	case err != nil:
		o.f.add("reach", Fault, "The public URL cannot be reached: "+err.Error(), o.cfg.Listen)
	case strings.Contains(text, `"untrusted_peer"`):
		o.f.add("trusted_proxies", Fault, "The server refuses its proxy.", "<the address of the proxy's container, as docker inspect shows it>")
	case res.StatusCode == http.StatusBadGateway || res.StatusCode == http.StatusGatewayTimeout:
		o.f.add("reach", Fault, fmt.Sprintf("The proxy answers %s: it does not reach the server.", res.Status), o.cfg.Listen)
	case res.StatusCode != http.StatusOK:
		o.f.add("reach", Fault, fmt.Sprintf("Something other than this server answers at the public URL, with %s.", res.Status), o.cfg.Listen)
	default:
		o.f.add("reach", Sound, "The server answers at the public URL.")
		if at, err := http.ParseTime(res.Header.Get("Date")); err == nil {
			o.f.clock("clock.public", "The Date of the public URL", at, time.Now().Truncate(time.Second))
		}
		return res, true
	}
	return nil, false
}

// examineCache asks again: the second answer must be a new one.
func (o *outside) examineCache(first *http.Response) bool {
	res, _, err := o.probe("GET", nil)
	if err != nil {
		o.f.add("reach", Fault, "A second request did not arrive: "+err.Error(), o.cfg.Listen)
		return false
	}
	another := res.Header.Get("X-Request-Id") != first.Header.Get("X-Request-Id") && res.Header.Get("Age") == ""
	o.f.expect("cache", another, "Nothing on the way caches responses.", Fault, "The proxy caches responses that are marked no-store.")
	return another
}

// examineClient checks whether the server knows who its clients are, and whether a
// client can pretend to be another.
func (o *outside) examineClient() {
	_, plain, err := o.probe("GET", nil)
	if err != nil {
		o.f.add("client_address", Fault, "Cannot read how the server saw a request: "+err.Error())
		return
	}
	var believed []string
	for _, said := range sayings {
		if _, forged, err := o.probe("GET", nil, header(said[0], said[1])); err == nil && forged.Client == forgedAddr {
			believed = append(believed, said[0])
		}
	}
	peer, _, _ := net.SplitHostPort(plain.Peer)
	switch {
	case len(believed) > 0:
		o.f.add("client_address", Fault, "A client can choose the address that the server sees, by "+strings.Join(believed, ", ")+".")
	case (plain.ForwardedFor != "" || plain.RealIP != "") && !plain.ProxyTrusted:
		o.f.add("trusted_proxies", Fault, fmt.Sprintf("The proxy at %s says who its clients are, but is not trusted.", peer), peer)
	default:
		silent := !plain.ClientKnown || o.cfg.PublicURL.Scheme == "https" && plain.ForwardedFor == "" && plain.RealIP == ""
		o.f.expect("client_address", !silent, fmt.Sprintf("The server sees this request come from %s.", plain.Client),
			Fault, "The proxy does not say who its clients are.")
	}
}

// examineHeaders checks whether credentials and cookies come through unchanged, in
// both directions.
func (o *outside) examineHeaders() {
	res, seen, err := o.probe("GET", nil, header("Authorization", "Bearer doctor"), header("Cookie", probeCookie+"=doctor"))
	if err != nil {
		o.f.add("headers", Fault, "A request with credentials did not arrive: "+err.Error())
		return
	}
	o.f.expect("authorization", seen.Authorization, "Authorization arrives.", Fault, "The header Authorization does not arrive.")
	cookies := res.Header.Values("Set-Cookie")
	whole := len(cookies) == 1 && strings.HasPrefix(cookies[0], probeCookie+"=")
	for _, attribute := range []string{"; Path=/", "; Secure", "; HttpOnly", "; SameSite=Strict"} {
		whole = whole && strings.Contains(cookies[0]+";", attribute+";")
	}
	whole = whole && seen.Cookie && !strings.Contains(strings.ToLower(cookies[0]), "domain=")
	o.f.expect("cookies", whole, "Cookies come through as they were set.",
		Fault, "The server's cookies are changed on the way or do not come back.")
}

// examineLimit announces a body larger than any disk. A proxy with a limit refuses it
// right away, or cuts the connection; a proxy without a limit waits for the body.
func (o *outside) examineLimit() {
	ctx, cancel := context.WithTimeout(o.ctx, probePause)
	defer cancel()
	body, hold := io.Pipe()
	// The transport waits for a body that it is reading, even if the context ends.
	defer context.AfterFunc(ctx, func() { hold.CloseWithError(context.Cause(ctx)) })()
	go func() {
		// Only sending shows that a connection was cut.
		for err := error(nil); err == nil; {
			time.Sleep(probePause / 5)
			_, err = hold.Write(make([]byte, 64<<10))
		}
	}()
	res, _, err := o.send("POST", "/system/probe", body, func(r *http.Request) {
		*r = *r.WithContext(ctx)
		r.ContentLength = hugeBody
	})
	switch {
	case err == nil && res.StatusCode == http.StatusRequestEntityTooLarge:
		o.f.add("body_limit", Fault, "The proxy limits the size of requests.")
	case err == nil && res.StatusCode >= 400:
		o.f.add("body_limit", Warning, "A large upload is refused with "+res.Status+".")
	case err != nil && !errors.Is(err, context.DeadlineExceeded):
		o.f.add("body_limit", Fault, "The proxy cuts the connection of a large upload: "+err.Error())
	default:
		o.f.add("body_limit", Sound, "The proxy sets no limit on the size of uploads.")
	}
}

// timedTries is how often a check by time is repeated: passing once proves that nothing
// is buffered, but on a busy machine a good answer can look late.
const timedTries = 3

// examinePause checks whether what is sent in two parts arrives with the pause between
// them, which measure does once.
func (o *outside) examinePause(check, sound, buffered, lost string, measure func() (pause time.Duration, err error)) {
	var pause time.Duration
	var err error
	for try := 0; try < timedTries && err == nil && pause < probePause/2; try++ {
		pause, err = measure()
	}
	if err != nil {
		o.f.add(check, Fault, lost+": "+err.Error())
		return
	}
	o.f.expect(check, pause >= probePause/2, sound, Fault, buffered)
}

// sendBody sends a body in two parts.
func (o *outside) sendBody() (pause time.Duration, err error) {
	body, parts := io.Pipe()
	go func() {
		part := make([]byte, 64<<10)
		_, _ = parts.Write(part) // an error is the request's too
		time.Sleep(probePause)
		_, _ = parts.Write(part)
		parts.Close()
	}()
	_, seen, err := o.probe("POST", body)
	return time.Duration(seen.BodySeconds * float64(time.Second)), err
}

// readStream reads two events.
func (o *outside) readStream() (pause time.Duration, err error) {
	var first time.Time
	trace := &httptrace.ClientTrace{GotFirstResponseByte: func() { first = time.Now() }}
	res, text, err := o.send("GET", "/system/probe?stream=1", nil, func(r *http.Request) {
		*r = *r.WithContext(httptrace.WithClientTrace(r.Context(), trace))
		r.Header.Set("Accept", "text/event-stream")
	})
	if err == nil && (res.StatusCode != http.StatusOK || !strings.HasSuffix(text, "data: second\n\n")) {
		err = fmt.Errorf("the answer is %s: %.200s", res.Status, text)
	}
	return time.Since(first), err
}

// examineOrigins asks as a page of each origin would, and as a page of a stranger.
func (o *outside) examineOrigins() {
	for _, origin := range slices.Concat(o.cfg.Origins, o.cfg.PublicOrigins) {
		trusted := slices.Contains(o.cfg.Origins, origin)
		res, _, err := o.send("OPTIONS", "/system/health", nil, header("Origin", origin), header("Access-Control-Request-Method", "GET"),
			header("Access-Control-Request-Headers", "authorization"))
		ok := err == nil && res.StatusCode == http.StatusNoContent && allows(res, origin, trusted)
		res, _, err = o.send("GET", "/system/health", nil, header("Origin", origin))
		ok = ok && err == nil && res.StatusCode == http.StatusOK && allows(res, origin, trusted)
		o.f.expect("cors", ok, origin+" may call.", Fault, "The permission for "+origin+" is changed on the way.")
	}
	if res, _, err := o.send("GET", "/system/health", nil, header("Origin", "https://stranger.invalid")); err == nil && res.Header.Get("Access-Control-Allow-Origin") != "" {
		o.f.add("cors", Fault, "Something on the way lets the pages of every origin in.")
	}
}

// allows reports whether an answer lets exactly this origin's pages read it.
func allows(res *http.Response, origin string, credentials bool) bool {
	var with []string
	if credentials {
		with = []string{"true"}
	}
	return slices.Equal(res.Header.Values("Access-Control-Allow-Origin"), []string{origin}) &&
		slices.Equal(res.Header.Values("Access-Control-Allow-Credentials"), with)
}

// A guarded host is looked at as a stranger sees it. Whatever the proxy was told,
// the program behind it must not have answered.

// usualPaths are where a proxy has locations of its own most often. Nobody can
// know all that it has.
var usualPaths = []string{"/api/", "/api/v1/", "/ws", "/socket.io/", "/static/x.js", "/assets/x.css", "/favicon.ico", "/robots.txt", "/metrics", "/admin/"}

// guardedWithin is how long an upload to a guarded host may take to be refused.
const guardedWithin = 3 * time.Second

// examineGate looks at all guarded hosts.
func (s *System) examineGate(ctx context.Context, cfg *Config, f *findings) {
	hosts, err := s.GuardedHosts(ctx)
	switch {
	case err != nil:
		f.add("gate", Warning, "Cannot read which hosts are guarded: "+err.Error())
	case len(hosts) == 0:
		f.add("gate", Sound, "No host is guarded.")
	case cfg.AccountURL == "":
		f.add("gate", Fault, "Hosts are guarded, but HOMEBASE_ACCOUNT_URL names no page to sign in at.")
	default:
		for _, host := range hosts {
			stranger := newAsker(ctx, "https://"+host, &http.Transport{})
			stranger.examineHost(host, cfg.AccountURL, f)
			stranger.client.CloseIdleConnections()
		}
	}
}

// examineHost goes on to the details only where the front door is shut.
func (a *asker) examineHost(host, accountURL string, f *findings) {
	res, _, err := a.ask(probeWithin, "GET", "/", nil, header("Sec-Fetch-Mode", "navigate"))
	if err != nil {
		f.add("gate", Fault, fmt.Sprintf("%s cannot be reached: %v", host, err))
		return
	}
	sent := strings.HasPrefix(res.Header.Get("Location"), accountURL+"#action=gate&request=")
	begun := strings.HasPrefix(res.Header.Get("Set-Cookie"), "__Host-hb-")
	switch {
	case sent && begun:
		f.add("gate", Sound, host+" sends strangers to sign in.")
	case sent:
		f.add("gate", Fault, host+" sends strangers to sign in, but nobody gets in: the proxy drops the cookie with which the way in begins.")
	case res.StatusCode == http.StatusUnauthorized:
		f.add("gate", Fault, host+" refuses strangers' pages and sends nobody to sign in.")
	case res.StatusCode == http.StatusForbidden:
		f.add("gate", Fault, host+" refuses everybody: Homebase does not trust this proxy, or does not understand what it says.")
	case res.StatusCode >= 500:
		f.add("gate", Fault, fmt.Sprintf("%s refuses everybody, with %s: the proxy does not reach Homebase.", host, res.Status))
		return
	default:
		f.add("gate.open", Fault, fmt.Sprintf("%s is not guarded: a stranger was answered %s.", host, res.Status))
		return
	}
	if around := a.around(); len(around) > 0 {
		f.add("gate.around", Fault, fmt.Sprintf("%s is open at %s.", host, strings.Join(around, ", ")))
	}
	if res, text, err := a.ask(probeWithin, "GET", "/.homebase/callback", nil); err != nil || res.StatusCode != http.StatusGone || !strings.Contains(text, `"gate_code_invalid"`) {
		f.add("gate.callback", Fault, host+"/.homebase/callback does not lead to Homebase.")
	}
	for range timedTries {
		if _, _, err = a.ask(guardedWithin, "POST", "/", strings.NewReader(strings.Repeat("x", 64<<10))); !errors.Is(err, context.DeadlineExceeded) {
			return
		}
	}
	f.add("gate.body", Fault, fmt.Sprintf("%s does not answer an upload within %v.", host, guardedWithin))
}

// around are the usual paths at which a stranger gets an answer of the program.
func (a *asker) around() (open []string) {
	for _, path := range usualPaths {
		res, _, err := a.ask(probeWithin, "GET", path, nil)
		if err == nil && res.StatusCode != http.StatusUnauthorized && res.StatusCode != http.StatusForbidden && res.StatusCode < 500 {
			open = append(open, path)
		}
	}
	return open
}
