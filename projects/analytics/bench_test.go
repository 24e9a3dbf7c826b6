package analytics_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"homebase/db"
	"homebase/projects"
	"homebase/projects/projectstest"

	"github.com/jackc/pgx/v5"
)

// year makes so many views on the 365 days before today, of 100 pages and 20
// referrers, some much more seen than others.
func (e *env) year(t testing.TB, views int) {
	t.Helper()
	err := e.host.InTx(t.Context(), func(tx *projects.Tx) error {
		if err := db.Exec(t.Context(), tx, `SET LOCAL statement_timeout = 0`); err != nil {
			return err
		}
		return db.Exec(t.Context(), tx, `INSERT INTO views (at, site, path, referrer, device, visitor)
			SELECT date_trunc('day', now()) - n * (interval '365 days' / $1::int), 'a.example', '/page-' || floor(100 * power(random(), 2)),
			       CASE WHEN random() < 0.6 THEN '' ELSE 'ref' || floor(20 * power(random(), 2)) || '.example' END,
			       (ARRAY['desktop', 'phone', 'tablet'])[1 + floor(3 * power(random(), 2))], int8send(floor(random() * $1 / 3)::bigint)
			  FROM generate_series(1, $1::int) AS n`, views)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// BenchmarkStats asks for a year. What it costs depends on days and pages,
// not on views.
func BenchmarkStats(b *testing.B) {
	for _, views := range []int{10_000, 100_000, 1_000_000} {
		e := start(b)
		e.year(b, views)
		began := time.Now()
		e.RunJob(b, job)
		b.Logf("%d views were counted in %v, %d rows are kept", views, time.Since(began).Round(time.Millisecond), value[int](b, e, `SELECT count(*) FROM rollups`))
		e.vacuum(b)
		to := time.Now().UTC().AddDate(0, 0, -1)
		for _, by := range []string{"day", "month"} {
			query := fmt.Sprintf("?by=%s&from=%s&to=%s", by, to.AddDate(0, 0, -364).Format(time.DateOnly), to.Format(time.DateOnly))
			b.Run(fmt.Sprintf("by=%s/views=%d", by, views), func(b *testing.B) {
				for b.Loop() {
					e.Owner.Do("GET", "/projects/analytics/stats"+query, nil).Want(b, 200)
				}
			})
		}
	}
}

// vacuum is what autovacuum would do within a minute.
func (e *env) vacuum(t testing.TB) {
	t.Helper()
	err := e.DB.AsOwner(t.Context(), func(conn *pgx.Conn) error {
		for _, sql := range []string{"SET ROLE app_analytics", "VACUUM ANALYZE app_analytics.rollups"} {
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// BenchmarkSignedIn asks who one is, alone and while 2,000 page views come in
// every second.
func BenchmarkSignedIn(b *testing.B) {
	for _, rate := range []int{0, 2000} {
		b.Run(fmt.Sprintf("events=%d", rate), func(b *testing.B) {
			e := start(b)
			stop := make(chan struct{})
			var senders sync.WaitGroup
			var sent atomic.Int64
			for range 8 * min(rate, 1) {
				senders.Go(func() {
					// By hand: what is measured is the server, not a client.
					const body = `{"path":"/page","referrer":"https://example.org/"}`
					request := fmt.Appendf(nil, "POST /api/v1%s HTTP/1.1\r\nHost: bench\r\nContent-Type: text/plain\r\nOrigin: %s\r\nUser-Agent: %s\r\nContent-Length: %d\r\n\r\n%s",
						events, projectstest.Origin, firefox, len(body), body)
					conn, err := net.Dial("tcp", strings.TrimPrefix(e.URL, "http://"))
					if err != nil {
						b.Error(err)
						return
					}
					defer conn.Close()
					answer := make([]byte, 4<<10)
					tick := time.NewTicker(time.Second * 8 / time.Duration(rate))
					defer tick.Stop()
					for {
						select {
						case <-stop:
							return
						case <-tick.C:
						}
						_, err := conn.Write(request)
						n := 0
						for err == nil && !bytes.HasSuffix(answer[:n], []byte("\r\n\r\n")) {
							var more int
							more, err = conn.Read(answer[n:])
							n += more
						}
						if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 202 ")) {
							b.Errorf("%v, %s", err, answer[:n])
							return
						}
						sent.Add(1)
					}
				})
			}
			client := &http.Client{Transport: &http.Transport{}}
			began := time.Now()
			for b.Loop() {
				r, _ := http.NewRequest("GET", e.URL+"/api/v1/auth/me", nil)
				r.Header.Set("Authorization", "Bearer "+e.Owner.Bearer)
				answer, err := client.Do(r)
				if err != nil || answer.StatusCode != http.StatusOK {
					b.Fatal(answer, err)
				}
				io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
			}
			b.ReportMetric(float64(sent.Load())/time.Since(began).Seconds(), "events/s")
			close(stop)
			senders.Wait()
		})
	}
}
