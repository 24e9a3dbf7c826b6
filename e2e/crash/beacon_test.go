package crash

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// beacon is a client that puts one new file after another, gives each up soon,
// and goes on: it shows when writes are acknowledged.
type beacon struct {
	owner  *account
	at     *server
	folder string // its path
	id     string

	mu   sync.Mutex
	sent []sent
}

// sent is a request and what became of it.
type sent struct {
	name, sum    string
	begun, ended time.Time
	acknowledged bool
	answer       string
}

const beaconPatience = 3 * time.Second

// shine puts files until ctx ends.
func (b *beacon) shine(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		s := sent{name: fmt.Sprintf("file%d", n), begun: time.Now()}
		body := fmt.Appendf(nil, "%s/%s", b.folder, s.name)
		s.sum = sum(body)
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), beaconPatience)
		status, code, _ := b.owner.ask(limited, b.at, "PUT", "/files/content"+b.folder+"/"+s.name, body, nil)
		cancel()
		s.ended, s.acknowledged, s.answer = time.Now(), status == 201, fmt.Sprint(status, " ", code)
		if status == 0 {
			s.answer = "none"
		}
		b.mu.Lock()
		b.sent = append(b.sent, s)
		b.mu.Unlock()
		time.Sleep(100 * time.Millisecond)
	}
}

// last is the last thing that was sent and answered, or given up.
func (b *beacon) last() sent {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.sent) == 0 {
		return sent{}
	}
	return b.sent[len(b.sent)-1]
}

// settle looks for what was acknowledged among the rows.
func (b *beacon) settle(rows *rows) (findings []string) {
	for _, s := range b.sent {
		row := rows.at(b.id, s.name)
		if s.acknowledged && (row == nil || row.sum != s.sum) {
			findings = append(findings, fmt.Sprintf("beacon: %s/%s was acknowledged and is not there", b.folder, s.name))
		}
	}
	return findings
}

// shadow is a file that is put again and again through the proxy, each time with
// the next number, while both servers are asked for it.
type shadow struct {
	owner *account
	door  *server

	mu   sync.Mutex
	puts []numbered
	seen [2][]numbered // by each server
}

type numbered struct {
	n            int
	begun, ended time.Time
	acknowledged bool
}

const shadowPath = "/files/content/documents/shadow"

func (s *shadow) put(ctx context.Context) {
	s.mu.Lock()
	n := len(s.puts)
	s.mu.Unlock()
	for ; ctx.Err() == nil; n++ {
		p := numbered{n: n, begun: time.Now()}
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), beaconPatience)
		status, _, _ := s.owner.ask(limited, s.door, "PUT", shadowPath, fmt.Appendf(nil, "shadow %d", n), nil)
		cancel()
		p.ended, p.acknowledged = time.Now(), status == 200 || status == 201
		s.mu.Lock()
		s.puts = append(s.puts, p)
		s.mu.Unlock()
		time.Sleep(100 * time.Millisecond)
	}
}

// read asks one server until ctx ends.
func (s *shadow) read(ctx context.Context, i int, at *server) {
	for ctx.Err() == nil {
		r := numbered{begun: time.Now()}
		var body []byte
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), beaconPatience)
		status, _, _ := s.owner.ask(limited, at, "GET", shadowPath, nil, &body)
		cancel()
		number, ok := strings.CutPrefix(string(body), "shadow ")
		if r.n, _ = strconv.Atoi(number); status == 200 && ok {
			r.ended = time.Now()
			s.mu.Lock()
			s.seen[i] = append(s.seen[i], r)
			s.mu.Unlock()
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// stale is the longest time for which a server still gave a version that had
// been replaced: from the acknowledgement of a later one to the question.
func (s *shadow) stale() (longest time.Duration) {
	for _, reads := range s.seen {
		for _, r := range reads {
			if r.n >= len(s.puts) || !s.puts[r.n].acknowledged {
				continue // it may take place at any time
			}
			for _, later := range s.puts[r.n+1:] {
				if later.acknowledged {
					longest = max(longest, r.begun.Sub(later.ended))
					break
				}
			}
		}
	}
	return max(longest, 0)
}
