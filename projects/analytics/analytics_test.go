package analytics_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"homebase/auth/authtest"
	"homebase/cli"
	"homebase/db"
	"homebase/db/dbtest"
	"homebase/httpx"
	"homebase/httpx/httpxtest"
	"homebase/projects"
	"homebase/projects/analytics"
	"homebase/projects/projectstest"
)

const (
	firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
	iphone  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 Version/18.6 Mobile/15E148 Safari/604.1"
	tablet  = "Mozilla/5.0 (Linux; Android 15; SM-X910) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36"
	google  = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

	events = "/projects/analytics/events"
	job    = "projects.analytics.rollup"
)

// env is a worker with the app, and a way into the app's tables.
type env struct {
	*projectstest.Env
	host *projects.Host
}

func start(t testing.TB) *env {
	t.Helper()
	return startWith(t, analytics.App)
}

func startWith(t testing.TB, mount projects.Mount) *env {
	t.Helper()
	e := &env{}
	e.Env = projectstest.Start(t, nil, func(h *projects.Host) projects.App { e.host = h; return mount(h) })
	return e
}

// sql runs a statement in the app's schema; with RETURNING or SELECT use value.
func (e *env) sql(t *testing.T, text string, args ...any) {
	t.Helper()
	err := e.host.InTx(t.Context(), func(tx *projects.Tx) error {
		return db.Exec(t.Context(), tx, text, args...)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func value[T any](t testing.TB, e *env, text string, args ...any) (v T) {
	t.Helper()
	err := e.host.InTx(t.Context(), func(tx *projects.Tx) (err error) {
		v, err = db.One(t.Context(), tx, db.Value[T], text, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// send posts an event as a browser's sendBeacon does.
func (e *env) send(t *testing.T, agent, body string) *httpxtest.Answer {
	t.Helper()
	return e.Client(t).Do("POST", events, body, httpxtest.WithHeader("Content-Type", "text/plain;charset=UTF-8"),
		httpxtest.WithHeader("Origin", projectstest.Origin), httpxtest.WithHeader("User-Agent", agent), httpxtest.WithHeader("Cookie", "__Host-at=garbage"))
}

// written waits until so many views are in the table.
func (e *env) written(t *testing.T, views int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if value[int](t, e, `SELECT count(*) FROM views`) >= views {
			return
		}
	}
	t.Fatalf("%d views were never written", views)
}

func (e *env) stats(t *testing.T, query string) (s analytics.Stats) {
	t.Helper()
	e.Owner.Do("GET", "/projects/analytics/stats"+query, nil).Want(t, 200).JSON(t, &s)
	return s
}

func TestEvents_OfPeopleAreCounted(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.send(t, firefox, `{"path":"/?token=secret#x","referrer":"https://www.Example.org/search?q=private","title":"Home"}`).Want(t, 202)
	e.send(t, firefox, `{"path":"/about","referrer":"https://site.example.com/"}`).Want(t, 202)
	e.send(t, iphone, `{"path":"/about"}`).Want(t, 202)
	e.send(t, tablet, `{"path":"/about","referrer":"android-app://com.example"}`).Want(t, 202)
	e.send(t, google, `{"path":"/robots-only"}`).Want(t, 202)
	e.send(t, "", `{"path":"/robots-only"}`).Want(t, 202)
	e.written(t, 4)
	count := e.Projects.Jobs()[0]
	dbtest.Needed(t, count, true)
	e.RunJob(t, job)
	dbtest.Needed(t, count, false)
	e.sql(t, `UPDATE salts SET day = day - 1`)
	dbtest.Needed(t, count, true) // that of yesterday has to go
	e.RunJob(t, job)              // counts nothing twice

	s := e.stats(t, "")
	if len(s.Items) != 30 || s.Items[29].Views != 4 || s.Items[29].Visitors != 3 || s.Items[0].Views != 0 {
		t.Errorf("the last thirty days are %+v", s.Items)
	}
	s.Items = nil
	const site = "site.example.com"
	want := analytics.Stats{
		Pages:     []analytics.Page{{Site: site, Path: "/about", Views: 3, Visitors: 3}, {Site: site, Path: "/", Views: 1, Visitors: 1}},
		Referrers: []analytics.Referrer{{Referrer: "", Views: 3, Visitors: 3}, {Referrer: "example.org", Views: 1, Visitors: 1}},
		Devices:   []analytics.Device{{Device: "desktop", Views: 2, Visitors: 1}, {Device: "phone", Views: 1, Visitors: 1}, {Device: "tablet", Views: 1, Visitors: 1}},
	}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got  %+v\nwant %+v", s, want)
	}
	today := time.Now().UTC().Format(time.DateOnly)
	if s := e.stats(t, "?by=hour&page=/about&from="+today+"&to="+today); len(s.Items) != 24 || len(s.Pages) != 1 || s.Pages[0].Views != 3 {
		t.Errorf("one page by the hour: %+v", s)
	}
	if s := e.stats(t, "?site=other.example.com"); len(s.Pages) != 0 || s.Items[29].Views != 0 {
		t.Errorf("another site: %+v", s)
	}
}

func TestEvents_NothingThatLeadsToAPersonIsKept(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.send(t, firefox, `{"path":"/?token=secret","referrer":"https://example.org/private"}`).Want(t, 202)
	e.written(t, 1)
	var out bytes.Buffer
	for _, c := range e.Projects.Commands() {
		if c.Name == "app export" {
			if err := c.Run(t.Context(), &cli.Shell{Stdout: &out, Stderr: &out}, []string{"analytics"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !strings.Contains(out.String(), `"path":"/"`) {
		t.Fatalf("the export lacks the view: %s", &out)
	}
	for _, word := range []string{"127.0.0.1", "secret", "private", "Firefox", "salt"} {
		if strings.Contains(out.String(), word) {
			t.Errorf("%q is in the export: %s", word, &out)
		}
	}
}

func TestEvents_OfStrangersAreRefused(t *testing.T) {
	t.Parallel()
	e := start(t)
	c := e.Client(t)
	plain := httpxtest.WithHeader("Content-Type", "text/plain")
	from := func(origins ...string) httpxtest.Option { return httpxtest.WithHeader("Origin", origins...) }
	c.Do("POST", events, `{"path":"/"}`, plain, from("https://elsewhere.example")).WantProblem(t, 403, "origin_refused")
	c.Do("POST", events, `{"path":"/"}`, plain, from()).WantProblem(t, 403, "origin_refused")
	c.Do("POST", events, `{"path":"/"}`, httpxtest.WithHeader("Content-Type", "application/json"), from(projectstest.Origin)).Want(t, 202)
	c.Do("POST", events, `{"path":"/"}`, httpxtest.WithHeader("Content-Type", "text/html"), from(projectstest.Origin)).WantProblem(t, 415, "unsupported_media_type")
	e.send(t, firefox, `{"path":"no slash"}`).WantProblem(t, 422, "validation_failed")
	e.send(t, firefox, `{"path":"/`+strings.Repeat("x", 512)+`"}`).WantProblem(t, 422, "validation_failed")
	e.send(t, firefox, `{"path":"/`+strings.Repeat("x", 5000)+`"}`).WantProblem(t, 413, "body_too_large")
	e.send(t, firefox, `{"path":"/","user":"me"}`).WantProblem(t, 400, "unknown_field")
	e.Client(t).Do("GET", "/projects/analytics/stats", nil).WantProblem(t, 401, "unauthenticated")
}

func TestSalt_IsDestroyedWhenItsDayIsOver(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.send(t, firefox, `{"path":"/"}`)
	e.send(t, firefox, `{"path":"/"}`)
	e.written(t, 2)
	if n := value[int](t, e, `SELECT count(DISTINCT visitor) FROM views`); n != 1 {
		t.Errorf("one person is %d visitors on one day", n)
	}
	salt := value[[]byte](t, e, `SELECT salt FROM salts`)
	e.sql(t, `UPDATE salts SET day = day - 1`)
	e.send(t, firefox, `{"path":"/"}`)
	e.written(t, 3)
	if n := value[int](t, e, `SELECT count(DISTINCT visitor) FROM views`); n != 2 {
		t.Errorf("on two days one person is %d visitors, which can be joined", n)
	}
	if now := value[[]byte](t, e, `SELECT salt FROM salts`); bytes.Equal(now, salt) {
		t.Error("the salt is still that of yesterday")
	}
	// Nobody comes, and the job forgets it.
	e.sql(t, `UPDATE salts SET day = day - 1`)
	e.RunJob(t, job)
	if n := value[int](t, e, `SELECT count(*) FROM salts WHERE day < current_date`); n != 0 {
		t.Error("the salt of yesterday is still there")
	}
}

// insert makes views of so many visitors, one an hour, on each of the last days.
func (e *env) insert(t *testing.T, days, visitors int) {
	t.Helper()
	e.sql(t, `INSERT INTO views (at, site, path, referrer, device, visitor)
		SELECT date_trunc('day', now()) - d * interval '1 day' + h * interval '1 hour', 'a.example', '/' || (h % 3), '', 'desktop', int4send((1000 * d + v)::int)
		  FROM generate_series(1, $1::int) d, generate_series(1, $2::int) v, generate_series(0, 23) h`, days, visitors)
}

func TestRollUp_KeepsTheCountsAndDropsTheViews(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.insert(t, 70, 2)
	e.RunJob(t, job)
	if n := value[int](t, e, `SELECT count(DISTINCT date_trunc('day', at)) FROM views`); n != 7 {
		t.Errorf("the views of %d days are left, want 7", n)
	}
	e.RunJob(t, job)
	// An hour of a page and the total, and a day of three pages, the total, a referrer and a device.
	if n := value[int](t, e, `SELECT count(*) FROM rollups WHERE grain <> 'month'`); n != 70*(24*2+6) {
		t.Errorf("%d rows are kept, whose number does not depend on how many views there were", n)
	}
	yesterday := time.Now().UTC().AddDate(0, 0, -1)
	query := "?from=" + yesterday.AddDate(0, 0, -29).Format(time.DateOnly) + "&to=" + yesterday.Format(time.DateOnly)
	s := e.stats(t, query)
	for _, c := range s.Items {
		if c.Views != 48 || c.Visitors != 2 {
			t.Errorf("on %s there were %d views of %d visitors", c.At, c.Views, c.Visitors)
		}
	}
	if len(s.Items) != 30 || len(s.Pages) != 3 || s.Pages[0].Views != 30*16 {
		t.Errorf("%d days, and the pages are %+v", len(s.Items), s.Pages)
	}
	// More than two months, of which at least one is whole.
	long := "?from=" + yesterday.AddDate(0, 0, -64).Format(time.DateOnly) + "&to=" + yesterday.Format(time.DateOnly)
	if p := e.stats(t, long).Pages; len(p) != 3 || p[0].Views != 65*16 || p[2].Visitors != 65*2 {
		t.Errorf("the pages of 65 days are %+v", p)
	}
	var views, visitors int64
	for _, c := range e.stats(t, query+"&by=month").Items {
		views, visitors = views+c.Views, visitors+c.Visitors
	}
	if views != 30*48 || visitors != 30*2 {
		t.Errorf("by the month: %d views of %d visitors", views, visitors)
	}
	day := yesterday.Format(time.DateOnly)
	if s := e.stats(t, "?by=hour&from="+day+"&to="+day); len(s.Items) != 24 || s.Items[7].Views != 2 || s.Items[7].Visitors != 2 {
		t.Errorf("by the hour: %+v", s.Items)
	}
}

func TestRollUp_BoundsWhatInventedPathsCanAdd(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.sql(t, `INSERT INTO views (at, site, path, referrer, device, visitor)
		SELECT date_trunc('day', now()), 'a.example', '/' || n, '', 'desktop', '\x01' FROM generate_series(1, 700) n`)
	e.RunJob(t, job)
	if n := value[int](t, e, `SELECT count(*) FROM rollups WHERE grain = 'day' AND kind = 'page'`); n != 501 {
		t.Errorf("%d names are kept", n)
	}
	if p := e.stats(t, "").Pages[0]; p.Path != "(other)" || p.Views != 200 || p.Visitors != 1 {
		t.Errorf("the others are %+v", p)
	}
}

func TestStats_RefusesWhatItCannotAnswer(t *testing.T) {
	t.Parallel()
	e := start(t)
	for _, query := range []string{"?from=yesterday", "?by=week", "?from=2026-02-01&to=2026-01-01", "?by=hour&from=2026-01-01&to=2026-02-01", "?from=1990-01-01&to=2026-01-01"} {
		e.Owner.Do("GET", "/projects/analytics/stats"+query, nil).WantProblem(t, 400, "invalid_parameter")
	}
}

func TestScript_IsSmallAndKnowsTheRoute(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../examples/analytics.js")
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 600 || !bytes.Contains(text, []byte("/api/v1"+events)) || bytes.Contains(text, []byte("cookie")) {
		t.Errorf("%d bytes of script:\n%s", len(text), text)
	}
}

// settled waits until so many views are kept or dropped.
func (e *env) settled(t *testing.T, views int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if value[int](t, e, `SELECT coalesce(sum(views + dropped), 0) FROM days`) >= views {
			return
		}
	}
	t.Fatalf("%d views were never settled", views)
}

func TestEvents_OfOneDayAreBoundedAndTheStatsTellHowManyWereDropped(t *testing.T) {
	t.Parallel()
	for name, bounds := range map[string]struct{ views, network, kept int }{"all": {7, 1000, 7}, "one network": {1000, 5, 5}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := startWith(t, func(h *projects.Host) projects.App { return analytics.Bounded(h, bounds.views, bounds.network) })
			for i := range 20 {
				e.send(t, firefox, fmt.Sprintf(`{"path":"/invented-%d"}`, i)).Want(t, 202)
			}
			e.settled(t, 20)
			e.RunJob(t, job)
			s := e.stats(t, "")
			if n := value[int](t, e, `SELECT count(*) FROM views`); n != bounds.kept || s.Items[29].Views != int64(bounds.kept) || s.Dropped != int64(20-bounds.kept) {
				t.Errorf("%d views are kept, %d counted, %d dropped", n, s.Items[29].Views, s.Dropped)
			}
		})
	}
}

func TestEvents_OfWiderNetworksAreBoundedToo(t *testing.T) {
	t.Parallel()
	e := startWith(t, func(h *projects.Host) projects.App { return analytics.Bounded(h, 1000, 2) })
	behind := httpxtest.Start(t, httpx.Config{PublicURL: authtest.PublicURL, PublicOrigins: []string{projectstest.Origin}, Authenticate: e.Auth.Authenticate, Recheck: e.Auth.Recheck, Afresh: e.Auth.Afresh,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, e.Projects.Routes()).Client(t)
	const sent = 10
	formats := map[string]int{"192.0.2.%d": sent, "2001:db8:1:1::%d": 2, "2001:db8:2:%d::1": 3, "2001:db8:3:%d00::1": 5, "2001:%d::1": sent}
	page := func(format string) string { return "/" + strings.ReplaceAll(format, "%d", "x") }
	for format := range formats {
		for i := range sent {
			behind.Do("POST", events, map[string]string{"path": page(format)}, httpxtest.WithHeader("Origin", projectstest.Origin),
				httpxtest.WithHeader("User-Agent", firefox), httpxtest.WithHeader("X-Real-IP", fmt.Sprintf(format, i+1))).Want(t, 202)
		}
	}
	e.settled(t, sent*len(formats))
	for format, want := range formats {
		if n := value[int](t, e, `SELECT count(*) FROM views WHERE path = $1`, page(format)); n != want {
			t.Errorf("%s: %d views are kept, want %d", format, n, want)
		}
	}
}

func TestEvents_OfPreviewsAndOtherRobotsAreNotCounted(t *testing.T) {
	t.Parallel()
	e := start(t)
	for _, agent := range []string{
		"Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "Twitterbot/1.0", "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
		"Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)", "TelegramBot (like TwitterBot)", "WhatsApp/2.23.20.0 A", "LinkedInBot/1.0 (compatible; Mozilla/5.0)",
		"Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 Version/17.4 Safari/605.1.15 (Applebot/0.1)", google, "Mozilla/5.0 AppleWebKit/537.36 (compatible; bingbot/2.0)", "curl/8.5.0",
		"meta-externalagent/1.1", "http.rb/5.2.0 (Mastodon/4.3.0; +https://social.example/)", "Wget/1.21", "Mozilla/5.0 (Windows NT 10.0) SkypeUriPreview Preview/0.5",
	} {
		e.send(t, agent, `{"path":"/robot"}`).Want(t, 202)
	}
	for _, agent := range []string{firefox, iphone, iphone + " Instagram 300.0.0.0", "Mozilla/5.0 (Linux; Android 10; CUBOT X30) Chrome/120.0 Mobile Safari/537.36"} {
		e.send(t, agent, `{"path":"/person"}`).Want(t, 202)
	}
	e.send(t, firefox, `{"path":"/person","referrer":"https://%ff%fe.example./"}`).Want(t, 202) // spoils no other's view
	e.settled(t, 5)
	if n := value[int](t, e, `SELECT count(*) FROM views WHERE path = '/robot'`); n != 0 {
		t.Errorf("%d views of robots are counted", n)
	}
}

func TestPaths_OfOnePageAreOne(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"/": "/", "//": "/", "": "", "a": "a", "/a": "/a", "/a/": "/a", "/a//": "/a", "/a?x/": "/a", "/a#/b": "/a", "/%e6": "/%E6", "/%E6": "/%E6", "/%c3%a9": "/%C3%A9", "/é": "/%C3%A9",
		"/%61%7e%2D": "/a~-", "/a%2fb": "/a%2Fb", "/100%": "/100%25", "/%zz": "/%25zz", "/%4": "/%254", "/a b": "/a%20b", "/A": "/A", "/a+b:c@d": "/a+b:c@d", "/%3f": "/%3F",
	} {
		if got := analytics.OnePath(given); got != want {
			t.Errorf("%q is %q, want %q", given, got, want)
		}
		if got := analytics.OnePath(want); got != want {
			t.Errorf("%q is not the form of itself, but %q", want, got)
		}
	}
	e := start(t)
	for _, path := range []string{"/%e6", "/%E6/", "/%E6?x"} {
		e.send(t, firefox, `{"path":"`+path+`"}`).Want(t, 202)
	}
	e.settled(t, 3)
	e.RunJob(t, job)
	if s := e.stats(t, "?page=/%25e6/"); len(s.Pages) != 1 || s.Pages[0].Views != 3 {
		t.Errorf("the pages are %+v", s.Pages)
	}
}

func TestRollUp_AViewAheadOfTimeStopsNoCount(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.sql(t, `INSERT INTO rollups (grain, kind, name, site, at, views, visitors) VALUES ('day', 'total', '', 'a.example', date_trunc('day', now()) + interval '900 days', 1, 1)`)
	e.insert(t, 3, 1) // of days on which nothing was counted
	e.RunJob(t, job)
	if n := value[int](t, e, `SELECT sum(views) FROM rollups WHERE grain = 'day' AND kind = 'total' AND at < now()`); n != 3*24 {
		t.Errorf("%d views are counted", n)
	}
}
