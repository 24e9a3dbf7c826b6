package portfolio_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"homebase/audit"
	"homebase/auth/authtest"
	"homebase/db/dbtest"
	"homebase/httpx"
	"homebase/httpx/httpxtest"
	"homebase/portfolio"

	"github.com/google/uuid"
)

var identity = httpxtest.WithHeader("Accept-Encoding", "identity")

func TestCache_PublicAnswersAreCachedAndRevalidate(t *testing.T) {
	t.Parallel()
	rm := start(t)
	rm.add(t, "projects", object{"title": "A", "status": "published"})
	c := rm.Client(t)
	for _, path := range []string{"/portfolio/profile", "/portfolio/projects", "/portfolio/projects/a", "/portfolio/skills", "/portfolio/resume.json"} {
		a := c.Do("GET", path, nil, identity).Want(t, 200)
		tag := a.Header.Get("ETag")
		if got := a.Header.Get("Cache-Control"); got != "public, max-age=60, stale-while-revalidate=600" {
			t.Errorf("%s: Cache-Control %q", path, got)
		}
		if got := a.Header.Get("Vary"); got != "Origin, Cookie, Authorization, Accept-Encoding" {
			t.Errorf("%s: Vary %q", path, got)
		}
		if b := c.Do("GET", path, nil, identity).Want(t, 200); !bytes.Equal(a.Body, b.Body) || b.Header.Get("ETag") != tag || strings.HasPrefix(tag, "W/") {
			t.Errorf("%s: two answers, two contents", path)
		}
		if b := c.Do("GET", path, nil, identity, httpxtest.WithHeader("If-None-Match", `"other", W/`+tag)).Want(t, 304); b.Header.Get("ETag") != tag {
			t.Errorf("%s: the 304 has %q", path, b.Header.Get("ETag"))
		}
		if b := c.Do("HEAD", path, nil, identity).Want(t, 200); b.Header.Get("Content-Length") != fmt.Sprint(len(a.Body)) {
			t.Errorf("%s: HEAD says %q", path, b.Header.Get("Content-Length"))
		}
		// Only an answer to a request without credentials may be public.
		if b := c.Do("GET", path, nil, httpxtest.WithHeader("Cookie", "x=y")).Want(t, 200); b.Header.Get("Cache-Control") != "private, no-cache" {
			t.Errorf("%s: with a cookie %q", path, b.Header.Get("Cache-Control"))
		}
	}
}

func TestCache_GzipIsServedToWhoAcceptsIt(t *testing.T) {
	t.Parallel()
	rm := start(t)
	rm.add(t, "projects", object{"title": "A", "status": "published", "body": strings.Repeat("Lorem ipsum. ", 500)})
	c := rm.Client(t)
	plain := c.Do("GET", "/portfolio/projects/a", nil, identity).Want(t, 200)
	zipped := c.Do("GET", "/portfolio/projects/a", nil, httpxtest.WithHeader("Accept-Encoding", "br, gzip;q=0.5"), func(r *http.Request) {
		r.Method = "HEAD" // the client's contract check reads no gzip
	})
	if zipped.Header.Get("Content-Encoding") != "gzip" || zipped.Header.Get("ETag") == plain.Header.Get("ETag") {
		t.Fatalf("gzip is answered with %v", zipped.Header)
	}
	r, err := http.NewRequest("GET", rm.URL+"/api/v1/portfolio/projects/a", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "gzip")
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	z, err := gzip.NewReader(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(z); err != nil || !bytes.Equal(text, plain.Body) {
		t.Errorf("unzipped it is another text: %v", err)
	}
	for _, tag := range []string{plain.Header.Get("ETag"), zipped.Header.Get("ETag")} {
		c.Do("GET", "/portfolio/projects/a", nil, httpxtest.WithHeader("If-None-Match", tag)).Want(t, 304)
	}
	for _, refused := range []string{"gzip;q=0", "br", "", "gzip;q=0.0, br"} {
		if a := c.Do("GET", "/portfolio/projects/a", nil, httpxtest.WithHeader("Accept-Encoding", refused)).Want(t, 200); a.Header.Get("Content-Encoding") != "" {
			t.Errorf("%q is answered in gzip", refused)
		}
	}
}

// A change is seen at once where it was made and within moments elsewhere,
// and from then on nobody is told that an old copy is still good.
func TestCache_TwoWorkersAgreeAfterAChangeAndAStaleTagGetsNo304(t *testing.T) {
	t.Parallel()
	rm := start(t)
	second := rm.Worker(t)
	rm.add(t, "projects", object{"title": "A", "status": "published"})
	one, two := rm.Client(t), second.Client(t)
	var slowest time.Duration
	for i := range 30 {
		want := fmt.Sprintf("summary %d", i)
		var stale []httpxtest.Option
		for _, path := range []string{"/portfolio/projects/a", "/portfolio/projects"} {
			tag := two.Do("GET", path, nil, identity).Want(t, 200).Header.Get("ETag")
			one.Do("GET", path, nil, identity, httpxtest.WithHeader("If-None-Match", tag)).Want(t, 304)
			stale = append(stale, httpxtest.WithHeader("If-None-Match", tag))
		}
		rm.owner.Do("PATCH", "/portfolio/projects/a", object{"summary": want}).Want(t, 200)
		changed := time.Now()
		if a := one.Do("GET", "/portfolio/projects/a", nil, stale[0]).Want(t, 200); !bytes.Contains(a.Body, []byte(want)) {
			t.Fatalf("the worker that changed it still says %s", a.Body)
		}
		for {
			a := two.Do("GET", "/portfolio/projects/a", nil, stale[0])
			if a.Status == 200 && bytes.Contains(a.Body, []byte(want)) {
				break
			}
			if time.Since(changed) > 10*time.Second {
				t.Fatalf("after 10 s the other worker still answers %d %s", a.Status, a.Body)
			}
		}
		slowest = max(slowest, time.Since(changed))
		two.Do("GET", "/portfolio/projects", nil, stale[1]).Want(t, 200)
	}
	t.Logf("the slowest of 30 changes was seen by the other worker after %v", slowest)
}

// Readers who come while content changes are never left with an old copy
// that a later answer calls good.
func TestCache_NothingStaleIsKeptWhileReadersAndWritersRace(t *testing.T) {
	t.Parallel()
	rm := start(t)
	rm.add(t, "projects", object{"title": "A", "status": "published"})
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			c := rm.Client(t)
			for {
				select {
				case <-stop:
					return
				default:
					c.Do("GET", "/portfolio/projects/a", nil)
				}
			}
		})
	}
	c := rm.Client(t)
	for i := range 40 {
		want := fmt.Sprintf("summary %d.", i)
		rm.owner.Do("PATCH", "/portfolio/projects/a", object{"summary": want}).Want(t, 200)
		if a := c.Do("GET", "/portfolio/projects/a", nil); !bytes.Contains(a.Body, []byte(want)) {
			t.Errorf("change %d is answered with %s", i, a.Body)
		}
	}
	close(stop)
	readers.Wait()
}

func TestCache_ANewProjectNeverWearsTheTagOfADeletedOne(t *testing.T) {
	t.Parallel()
	rm := start(t)
	c := rm.Client(t)
	seen := map[string]bool{}
	for range 3 {
		rm.add(t, "projects", object{"title": "A", "status": "published"})
		tag := c.Do("GET", "/portfolio/projects/a", nil, identity).Want(t, 200).Header.Get("ETag")
		if seen[tag] {
			t.Errorf("%s stands for two projects", tag)
		}
		seen[tag] = true
		rm.owner.Do("DELETE", "/portfolio/projects/a", nil).Want(t, 204)
	}
}

func TestCache_ReadsFromMemoryDoNotAskTheDatabase(t *testing.T) {
	t.Parallel()
	rm := start(t)
	c := rm.Client(t)
	c.Do("GET", "/portfolio/profile", nil).Want(t, 200)
	before := rm.DB.Stat().AcquireCount()
	for range 20 {
		c.Do("GET", "/portfolio/profile", nil).Want(t, 200)
	}
	// Others of this worker may have asked once or twice.
	if n := rm.DB.Stat().AcquireCount() - before; n > 5 {
		t.Errorf("20 reads from memory asked the database %d times", n)
	}
}

// A worker whose listener has no connection believes nothing that it kept.
func TestCache_IsNotTrustedWithoutNews(t *testing.T) {
	t.Parallel()
	url := dbtest.Create(t)
	worker := func() *httpxtest.Client {
		d := dbtest.Open(t, url)
		log := audit.New(d, slog.New(slog.DiscardHandler), authtest.Keys)
		p := portfolio.New(portfolio.Config{DB: d, Audit: log, Keys: authtest.Keys})
		return httpxtest.Start(t, httpx.Config{Authenticate: func(*http.Request) (*httpx.Caller, error) {
			return &httpx.Caller{UserID: uuid.New(), Permissions: []string{"portfolio:write"}}, nil
		}}, p.Routes()).Client(t)
	}
	deaf, other := worker(), worker()
	for i := range 5 {
		name := fmt.Sprint("name ", i)
		tag := deaf.Do("GET", "/portfolio/profile", nil, identity).Want(t, 200).Header.Get("ETag")
		other.As("x").Do("PUT", "/portfolio/profile", object{"name": name}).Want(t, 200)
		a := deaf.Do("GET", "/portfolio/profile", nil, identity, httpxtest.WithHeader("If-None-Match", tag)).Want(t, 200)
		if !bytes.Contains(a.Body, []byte(name)) {
			t.Errorf("after %q it says %s", name, a.Body)
		}
	}
}

// BenchmarkPublicRead compares with a bare handler that writes the same bytes.
func BenchmarkPublicRead(b *testing.B) {
	rm := start(b)
	for i := range 10 {
		rm.add(b, "projects", object{"title": fmt.Sprint("Project ", i), "status": "published", "summary": strings.Repeat("word ", 40)})
	}
	text := rm.Client(b).Do("GET", "/portfolio/projects", nil, identity).Want(b, 200).Body
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", fmt.Sprint(len(text)))
		w.Write(text)
	}))
	b.Cleanup(bare.Close)
	// One after the other and over again: what else the machine does then
	// weighs on both alike.
	var took [2]time.Duration
	transport := &http.Transport{DisableCompression: true}
	b.Cleanup(transport.CloseIdleConnections)
	for b.Loop() {
		for i, url := range []string{bare.URL, rm.URL + httpx.Prefix + "/portfolio/projects"} {
			began := time.Now()
			r, _ := http.NewRequest("GET", url, nil)
			response, err := transport.RoundTrip(r)
			if err != nil {
				b.Fatal(err)
			}
			n, _ := io.Copy(io.Discard, response.Body)
			response.Body.Close()
			if took[i] += time.Since(began); n != int64(len(text)) {
				b.Fatalf("%d bytes", n)
			}
		}
	}
	b.ReportMetric(float64(b.N)/took[0].Seconds(), "bare-req/s")
	b.ReportMetric(float64(b.N)/took[1].Seconds(), "req/s")
	b.ReportMetric(took[0].Seconds()/took[1].Seconds(), "of-bare")
}
