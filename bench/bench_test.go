// Package bench measures the real program on its private PostgreSQL, with
// every flush to the disk that it makes in service, beside the least that Go
// can do for the same request: a bare net/http server in a process of its
// own, without sign-in, rows or audit. Both get the same client in the same
// run. What counts is cpu-us/op, the processor time of the server (and its
// PostgreSQL) for one operation, and x-bare, its ratio to the bare server's;
// times of day follow the noise of a machine.
//
//	make bench                       everything, about three minutes, and the table in docs/performance.md
//	make bench RUN=Download/4KiB     one of them
package bench

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// compare runs an operation against both servers and reports the ratio.
func compare(b *testing.B, op func(b *testing.B, s *server)) {
	b.Helper()
	beside(b, homebase(b), op)
}

// beside is compare for another server than the usual one.
func beside(b *testing.B, other *server, op func(b *testing.B, s *server)) {
	b.Helper()
	var bare float64
	for _, s := range []*server{bareServer(b), other} {
		b.Run(s.name, func(b *testing.B) {
			s.call(b, "GET", "/system/health", nil, nil) // a connection is open
			before := s.cpu(b)
			b.ResetTimer()
			op(b, s)
			b.StopTimer()
			each := (s.cpu(b) - before).Seconds() * 1e6 / float64(b.N)
			b.ReportMetric(each, "cpu-us/op")
			if s.name == "bare" {
				bare = each
			} else if bare > 0 {
				b.ReportMetric(each/bare, "x-bare")
				row(b, each, each/bare)
			}
		})
	}
}

// read compares a GET with one of as many bytes that the bare server has in
// memory.
func read(b *testing.B, path string, header http.Header) {
	b.Helper()
	bytes := homebase(b).call(b, "GET", path, nil, header)
	compare(b, func(b *testing.B, s *server) {
		path := path
		if s.name == "bare" {
			path = fmt.Sprintf("/memory/%d", bytes)
		}
		for b.Loop() {
			if n := s.call(b, "GET", path, nil, header); n != bytes {
				b.Fatalf("got %d bytes, want %d", n, bytes)
			}
		}
	})
}

func BenchmarkDownload(b *testing.B) {
	for _, c := range []struct {
		name string
		file string
		size int64 // of what comes
		span string
		byID bool
	}{
		{"1GiB", "1g.bin", 1 << 30, "", false},
		{"64KiBRange", "1g.bin", 64 << 10, "bytes=536870912-536936447", false},
		{"4KiB", "4k.bin", 4 << 10, "", false},
		{"4KiBByID", "4k.bin", 4 << 10, "", true},
	} {
		b.Run(c.name, func(b *testing.B) {
			stored(b)
			b.SetBytes(c.size)
			compare(b, func(b *testing.B, s *server) {
				path := "/files/content/documents/" + c.file
				if c.byID && s.name != "bare" {
					path = "/files/items/" + s.idOf(b, "/documents/"+c.file) + "/content"
				}
				for b.Loop() {
					if n := s.call(b, "GET", path, nil, http.Header{"Range": {c.span}}); n != c.size {
						b.Fatalf("got %d bytes", n)
					}
				}
			})
		})
	}
}

func BenchmarkMe(b *testing.B) { read(b, "/auth/me", nil) }

// The check is what nginx asks before each request to a guarded host. It is
// beside the bare server's answer to /auth/me.
func BenchmarkGateCheck(b *testing.B) {
	bytes := homebase(b).call(b, "GET", "/auth/me", nil, nil)
	gate, header := gateServer(b)
	beside(b, gate, func(b *testing.B, s *server) {
		path, want := "/auth/gate/check", int64(0)
		if s.name == "bare" {
			path, want = fmt.Sprintf("/memory/%d", bytes), bytes
		}
		for b.Loop() {
			if n := s.call(b, "GET", path, nil, header); n != want {
				b.Fatalf("got %d bytes, want %d", n, want)
			}
		}
	})
}

// Visitors have no token.
func BenchmarkPublicProjects(b *testing.B) {
	s := homebase(b)
	for i := range 20 {
		if name := fmt.Sprint("project", i); !s.has[name] {
			s.json(b, "POST", "/portfolio/projects", map[string]any{"title": name, "slug": name, "status": "published",
				"summary": strings.Repeat("A short summary of what was built. ", 4)}, nil)
			s.has[name] = true
		}
	}
	read(b, "/portfolio/projects", http.Header{"Authorization": {""}})
}

func BenchmarkUpload_1GiB(b *testing.B) {
	b.SetBytes(1 << 30)
	compare(b, func(b *testing.B, s *server) {
		for b.Loop() {
			s.call(b, "PUT", "/files/content/documents/up.bin", &pattern{left: 1 << 30}, nil)
		}
	})
}

// An operation is one file of 16 KiB; eight connections send them.
func BenchmarkUpload_16KiBOverEightConnections(b *testing.B) {
	b.SetBytes(16 << 10)
	run := 0
	compare(b, func(b *testing.B, s *server) {
		run++
		work := make(chan int)
		var senders sync.WaitGroup
		for range 8 {
			senders.Go(func() {
				for i := range work {
					s.call(b, "PUT", fmt.Sprintf("/files/content/documents/s%d-%d", run, i), &pattern{left: 16 << 10}, nil)
				}
			})
		}
		for i := range b.N {
			work <- i
		}
		close(work)
		senders.Wait()
	})
}

func BenchmarkListing(b *testing.B) {
	s := homebase(b)
	small, large := s.folder(b, "thousand", 1000), s.folder(b, "hundredthousand", 100_000)
	first := "/files/items/" + large + "/children?limit=100"
	deep := first
	for range 899 {
		var page struct {
			Next string `json:"next_cursor"`
		}
		s.json(b, "GET", deep, nil, &page)
		deep = first + "&cursor=" + page.Next
	}
	for _, c := range []struct{ name, path string }{
		{"FirstOf1k", "/files/items/" + small + "/children?limit=100"},
		{"FirstOf100k", first},
		{"Page900Of100k", deep},
	} {
		b.Run(c.name, func(b *testing.B) { read(b, c.path, nil) })
	}
}

// BenchmarkRest is a minute in which nobody asks for anything.
func BenchmarkRest(b *testing.B) {
	s := homebase(b)
	time.Sleep(15 * time.Second) // what was done before comes to its end
	for b.Loop() {
		cpu, switches := s.cpu(b), s.switches(b)
		time.Sleep(time.Minute)
		each, share := float64(s.switches(b)-switches)/60, 100*(s.cpu(b)-cpu).Minutes()
		b.ReportMetric(each, "switches/s")
		b.ReportMetric(share, "%cpu")
		rest = fmt.Sprintf("At rest, with PostgreSQL: %.2f %% of a core; the server alone makes %.0f context switches a second.", share, each)
	}
}

func BenchmarkMove_AFolderOf100kFiles(b *testing.B) {
	s := homebase(b)
	id := s.folder(b, "hundredthousand", 100_000)
	before := s.cpu(b)
	i := 0
	for b.Loop() {
		i++
		s.json(b, "PATCH", "/files/items/"+id, map[string]string{"name": fmt.Sprint("moved", i%2)}, nil)
	}
	b.ReportMetric((s.cpu(b)-before).Seconds()*1e6/float64(b.N), "cpu-us/op")
	s.json(b, "PATCH", "/files/items/"+id, map[string]string{"name": "hundredthousand"}, nil)
}

// stored puts the files of the downloads in place, once.
func stored(b *testing.B) {
	b.Helper()
	for _, s := range []*server{bareServer(b), homebase(b)} {
		for name, size := range map[string]int64{"1g.bin": 1 << 30, "4k.bin": 4 << 10} {
			if !s.has[name] {
				s.call(b, "PUT", "/files/content/documents/"+name, &pattern{left: size}, nil)
				s.has[name] = true
			}
		}
	}
}

// folder makes a folder of empty files on the disk, lets a scan adopt it, and
// returns its id.
func (s *server) folder(b *testing.B, name string, files int) (id string) {
	b.Helper()
	path := "/documents/" + name
	if !s.has[name] {
		s.json(b, "POST", "/files/folders", map[string]string{"path": path}, nil)
		at, err := filepath.Glob(filepath.Join(s.data, "users", "*", path))
		if err != nil || len(at) != 1 {
			b.Fatalf("the folder on the disk: %v %v", at, err)
		}
		for i := range files {
			if err := os.WriteFile(fmt.Sprintf("%s/%06d", at[0], i), nil, 0o600); err != nil {
				b.Fatal(err)
			}
		}
		s.command(b, "", "files", "scan", owner)
		s.has[name] = true
	}
	return s.idOf(b, path)
}

// idOf is the id of the item at a path.
func (s *server) idOf(b *testing.B, path string) string {
	b.Helper()
	var it struct{ ID string }
	s.json(b, "GET", "/files/lookup?path="+path, nil, &it)
	return it.ID
}

// json sends and reads JSON.
func (s *server) json(b *testing.B, method, path string, body, answer any) {
	b.Helper()
	var sent io.Reader
	header := http.Header{}
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			b.Fatal(err)
		}
		sent, header = bytes.NewReader(text), http.Header{"Content-Type": {"application/json"}}
	}
	res := s.send(b, method, path, sent, header)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && answer != nil {
		err = json.Unmarshal(text, answer)
	}
	if err != nil {
		b.Fatalf("%s %s: %v", method, path, err)
	}
}

// pattern is a body of so many bytes that a compressing disk gains nothing on.
type pattern struct{ left, at int64 }

var noise = func() (block [1 << 20]byte) {
	for i := 0; i < len(block); i += sha256.Size {
		sum := sha256.Sum256(fmt.Append(nil, i))
		copy(block[i:], sum[:])
	}
	return block
}()

func (p *pattern) Read(buf []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	n := copy(buf[:min(int64(len(buf)), p.left)], noise[p.at:])
	p.left, p.at = p.left-int64(n), (p.at+int64(n))%int64(len(noise))
	return n, nil
}
