package crash

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// soak is everything at once, for minutes or hours. Server 0 is killed or ends in order once a
// round; server 1 lives through it, so that what it holds on to shows. Between
// the rounds all is quiet, and everything that was acknowledged is looked for.
type soak struct {
	*rig
	began  time.Time
	paused sync.RWMutex // held for reading by each step of the noise
	found  findings
	curves curves
	admin  *person
	// planting is held while something lies on the disk that no row knows.
	planting sync.Mutex
	blows    []float64 // in seconds since it began
}

// TestSoak_NothingIsLostAndNothingGrows takes a few seconds in a run of all
// tests, and as many minutes as it is given:
//
//	make soak MINUTES=60
func TestSoak_NothingIsLostAndNothingGrows(t *testing.T) {
	t.Parallel()
	length := 12 * time.Second
	if text := os.Getenv("SOAK_MINUTES"); text != "" {
		minutes, err := strconv.ParseFloat(text, 64)
		must(t, err)
		length = time.Duration(minutes * float64(time.Minute))
	}
	s, accounts, c := newSoak(t)
	ctx, stop := context.WithCancel(t.Context())
	noise := s.makeNoise(ctx, length)
	sampling := s.sample(ctx, min(max(length/120, 250*time.Millisecond), 30*time.Second))
	seed, round := seedOf(t), min(max(length/60, 3*time.Second), 30*time.Second)
	var first, last holdings
	for n := 1; !s.found.any(); n++ {
		done := time.Since(s.began) > length
		s.round(newPlan(seed, n, "soak"), round, accounts, c, done || n%20 == 0, func() { s.endServer(n%2 == 0) })
		if n == 1 || done {
			last = s.settled()
		}
		if n == 1 {
			first = last
		}
		if done {
			break
		}
	}
	stop()
	noise.Wait()
	<-sampling
	s.found.mu.Lock()
	defer s.found.mu.Unlock()
	s.found.list = append(s.found.list, first.grown(last)...)
	t.Logf("%.1f minutes, %d rounds: %s\nat the start: %s\nat the end:   %s", time.Since(s.began).Minutes(), s.cycles, &s.answers, first, last)
	t.Logf("what grew, of what may grow a little:\n%s", first.difference(last))
	t.Logf("answers by kind:\n%s", s.times.table())
	if folder := os.Getenv("SOAK_OUT"); folder != "" {
		must(t, s.curves.draw(folder, s.blows))
		t.Logf("drawn in %s", folder)
	}
	for _, finding := range s.found.list[:min(len(s.found.list), 10)] {
		t.Error(finding)
	}
}

// newSoak brings up the servers and those who work with them.
func newSoak(t *testing.T) (s *soak, accounts []*account, c *crowd) {
	t.Helper()
	s = &soak{rig: newRig(t, "soak"), curves: curves{}}
	s.times = &times{kinds: map[string][]float64{}, failed: map[string]int{}}
	s.more = []string{"HOMEBASE_ACCOUNT_URL=" + accountPage, "HOMEBASE_ORIGINS=" + pageOrigin, "HOMEBASE_TRUSTED_PROXIES=127.0.0.0/8"}
	s.bringUp()
	accounts = s.accounts(4, 2)
	crowded := &account{email: email(8), answers: &s.answers}
	s.signIn(crowded)
	c = s.gather(crowded)
	s.began = time.Now()
	return s, accounts, c
}

// round lets everybody work, deals the blow, and looks at what is there.
func (s *soak) round(p plan, length time.Duration, accounts []*account, c *crowd, full bool, blow func()) {
	s.t.Helper()
	p.lanes, p.on, p.mixed = 8, [2]bool{true, true}, true
	s.prepare(p, accounts, c)
	ctx, stop := context.WithCancel(s.t.Context())
	working := s.work(ctx, p, accounts, c, s.found.note)
	time.Sleep(length * 2 / 3)
	s.blows = append(s.blows, time.Since(s.began).Seconds())
	blow()
	s.bringUp()
	time.Sleep(length / 3)
	stop()
	working.Wait()
	s.paused.Lock()
	defer s.paused.Unlock()
	s.rejoin(accounts)
	for _, finding := range s.check(accounts, c, full) {
		s.found.note(finding)
	}
	s.cycles++
	s.t.Logf("round %d after %.0f s: %s; %d files looked at; %s", p.cycle, time.Since(s.began).Seconds(), &s.answers, s.looked, s.state())
}

// endServer ends server 0.
func (s *soak) endServer(kill bool) {
	s.t.Helper()
	if kill {
		s.servers[0].kill()
		return
	}
	s.servers[0].Process.Signal(syscall.SIGTERM)
	select {
	case <-s.servers[0].ended:
	case <-time.After(time.Minute): // it waits up to 30 s for requests and jobs
		s.found.note("server 0 does not end in a minute")
		s.servers[0].kill()
	}
}

// holdings is what may not grow.
type holdings struct {
	resident    int // KiB, of server 1
	descriptors int
	goroutines  int
	temporary   int // files that are neither in a tree nor in the trash nor a version, nor of an upload that can go on
	rows        map[string]int
	bytes       map[string]int
}

func (h holdings) String() string {
	rows, size := 0, 0
	for name, n := range h.rows {
		rows, size = rows+n, size+h.bytes[name]
	}
	return fmt.Sprintf("%d KiB resident, %d descriptors, %d goroutines, %d temporary files, %d rows, %d KiB of tables", h.resident, h.descriptors, h.goroutines, h.temporary, rows, size>>10)
}

// lasting are the tables that keep what happened for as long as they are told
// to, an hour or more, and those of what the clients hold.
var lasting = []string{"audit_", "analytics_", "changes", "items", "versions", "sessions", "trees", "uploads", "oidc_grants",
	"oidc_requests", "drops", "portfolio_uses"}

// grown says what a later state has more of than it may.
func (h holdings) grown(later holdings) (findings []string) {
	more := func(what string, before, now, most int) {
		if now > before+most {
			findings = append(findings, fmt.Sprintf("%s: %d grew to %d", what, before, now))
		}
	}
	more("memory of a server in KiB", h.resident, later.resident, 40<<10)
	more("descriptors", h.descriptors, later.descriptors, 30)
	more("goroutines", h.goroutines, later.goroutines, 30)
	more("temporary files", h.temporary, later.temporary, 10)
	for name, n := range later.rows {
		if lasts(name) {
			continue
		}
		more("rows of "+name, h.rows[name], n, 20)
		more("bytes of "+name, h.bytes[name], later.bytes[name], 16<<20)
	}
	return findings
}

// lasts reports whether a table keeps what happened.
func lasts(table string) bool {
	return slices.ContainsFunc(lasting, func(prefix string) bool { return strings.HasPrefix(table, prefix) })
}

// difference shows how near a later state comes to what it may have.
func (h holdings) difference(later holdings) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(later.rows)) {
		if rows, size := later.rows[name]-h.rows[name], later.bytes[name]-h.bytes[name]; !lasts(name) && (rows > 0 || size > 0) {
			fmt.Fprintf(&b, "%-20s %+6d rows, %+6d KiB\n", name, rows, size>>10)
		}
	}
	return b.String()
}

// settled is the state while nobody works and what was displaced has gone.
func (s *soak) settled() holdings {
	s.t.Helper()
	s.paused.Lock()
	defer s.paused.Unlock()
	s.runJob("files.purge")
	return s.state()
}

// state looks at server 1 and at the tables.
func (s *soak) state() (now holdings) {
	s.t.Helper()
	await(s.t, "server 1 tells what it holds", func() (told bool) {
		now.resident, now.descriptors, now.goroutines, told = s.process(s.servers[1])
		return told
	})
	for _, top := range []string{"staging", "purge"} {
		filepath.WalkDir(filepath.Join(s.disk, "data", top), func(p string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() && filepath.Base(filepath.Dir(p)) != "new" {
				now.temporary++
			}
			return nil
		})
	}
	now.temporary += len(s.staged()) - s.count("SELECT count(*) FROM uploads WHERE state = 'open'")
	now.rows, now.bytes = map[string]int{}, map[string]int{}
	s.ask(func(conn *pgx.Conn) error {
		rows, err := conn.Query(s.t.Context(), `SELECT c.relname, pg_total_relation_size(c.oid),
			(xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %I', c.relname), false, true, '')))[1]::text::int
			  FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			var size, n int
			if err := rows.Scan(&name, &size, &n); err != nil {
				return err
			}
			now.rows[name], now.bytes[name] = n, size
		}
		return rows.Err()
	})
	return now
}

// process is what a server holds; told is false where it does not answer.
func (s *soak) process(of *server) (resident, descriptors, goroutines int, told bool) {
	proc := fmt.Sprintf("/proc/%d", of.Process.Pid)
	status, _ := os.ReadFile(proc + "/status")
	if _, after, ok := bytes.Cut(status, []byte("VmRSS:")); ok {
		resident, _ = strconv.Atoi(string(bytes.Fields(after)[0]))
	}
	open, _ := os.ReadDir(proc + "/fd")
	var m struct {
		Figures []struct {
			Name  string
			Value float64
		}
	}
	answered, _, _ := request(s.t.Context(), of, s.admin.get(), "GET", "/system/metrics", nil, &m)
	for _, f := range m.Figures {
		if f.Name == "homebase_go_goroutines" {
			goroutines = int(f.Value)
		}
	}
	return resident, len(open), goroutines, answered == 200
}

// sample adds a point to each curve at an interval.
func (s *soak) sample(ctx context.Context, every time.Duration) (done chan struct{}) {
	done = make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(every):
			}
			at := time.Since(s.began).Seconds()
			for kind, p99 := range s.times.quantiles(0.99) {
				s.curves.add("p99", kind, at, p99)
			}
			resident, descriptors, goroutines, told := s.process(s.servers[1])
			if !told {
				continue
			}
			s.curves.add("memory", "MiB resident", at, float64(resident)/1024)
			s.curves.add("held", "descriptors", at, float64(descriptors))
			s.curves.add("held", "goroutines", at, float64(goroutines))
		}
	}()
	return done
}

// times are how long answers took.
type times struct {
	mu     sync.Mutex
	kinds  map[string][]float64 // milliseconds since the last sample
	all    map[string][]float64
	failed map[string]int // answers from 500 on, which count as none
}

func (t *times) note(kind string, began time.Time, status int, code string) {
	if t == nil || status == 0 || code == "unsent" {
		return
	}
	took := float64(time.Since(began).Microseconds()) / 1000
	t.mu.Lock()
	defer t.mu.Unlock()
	if status >= 500 {
		t.failed[fmt.Sprintf("%s: %d %s", kind, status, code)]++
		return
	}
	t.kinds[kind] = append(t.kinds[kind], took)
}

// quantiles of what came since they were asked for last.
func (t *times) quantiles(q float64) map[string]float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = map[string][]float64{}
	}
	all := map[string]float64{}
	for kind, took := range t.kinds {
		all[kind] = quantile(took, q)
		t.all[kind] = append(t.all[kind], took...)
	}
	clear(t.kinds)
	return all
}

func quantile(list []float64, q float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[min(int(q*float64(len(list))), len(list)-1)]
}

// table tells of the whole run.
func (t *times) table() string {
	t.quantiles(0.5)
	var b strings.Builder
	kinds := make([]string, 0, len(t.all))
	for kind := range t.all {
		kinds = append(kinds, kind)
	}
	slices.SortFunc(kinds, func(a, b string) int { return cmp.Compare(len(t.all[b]), len(t.all[a])) })
	for _, kind := range kinds {
		fmt.Fprintf(&b, "%-10s %7d answers, p50 %6.1f ms, p99 %7.1f ms, most %7.1f ms\n", kind, len(t.all[kind]), quantile(t.all[kind], 0.5), quantile(t.all[kind], 0.99), slices.Max(t.all[kind]))
	}
	return b.String()
}

// kindOf puts a request under one of a dozen words.
func kindOf(method, path string) string {
	path, _, _ = strings.Cut(path, "?")
	part := strings.Split(path, "/")
	switch {
	case part[1] == "auth" && slices.Contains([]string{"login", "refresh", "oidc", "gate"}, part[2]):
		return part[2]
	case part[1] != "files":
		return map[string]string{"auth": "account", "audit": "account", "projects": "analytics", "portfolio": "portfolio", "system": "system"}[part[1]]
	case part[2] == "uploads":
		return "tus"
	case part[2] == "shared" || part[2] == "shares":
		return "shares"
	case part[len(part)-1] == "archive":
		return "zip"
	case part[2] == "scan":
		return "scan"
	case method == "GET" && (part[2] == "content" || part[len(part)-1] == "content"):
		return "download"
	case method == "PUT":
		return "upload"
	case method == "GET":
		return "listing"
	}
	return "change"
}
