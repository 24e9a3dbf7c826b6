package audit_test

import (
	"context"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/httpx"
	"homebase/httpx/httpxtest"

	"github.com/google/uuid"
)

// BenchmarkNotes reads one's own history, alone and while downloads offer
// 20,000 events every second.
func BenchmarkNotes(b *testing.B) {
	for _, rate := range []int{0, 20_000} {
		b.Run("events="+strconv.Itoa(rate), func(b *testing.B) {
			l, d := start(b)
			ctx, cancel := context.WithCancel(b.Context())
			var beside sync.WaitGroup
			beside.Go(func() { l.Run(ctx) })
			user, offered := uuid.New(), 0
			beside.Go(func() {
				tick := time.NewTicker(10 * time.Millisecond)
				defer tick.Stop()
				for began := time.Now(); ; {
					select {
					case <-ctx.Done():
						return
					case <-tick.C:
					}
					for due := int(time.Since(began).Seconds() * float64(rate)); offered < due; offered++ {
						l.Note(ctx, audit.Event{Actor: audit.Actor{User: user}, Action: audit.FileDownload, Target: uuid.New(), Details: map[string]string{"bytes": "4096"}})
					}
				}
			})
			client := httpxtest.Start(b, httpx.Config{Authenticate: func(*http.Request) (*httpx.Caller, error) {
				return &httpx.Caller{UserID: uuid.Nil}, nil
			}}, l.Routes()).Client(b)
			client.Bearer = "x"
			var took []time.Duration
			cpu := cpuSeconds()
			began := time.Now()
			for b.Loop() {
				asked := time.Now()
				client.Do("GET", "/audit/me", nil).Want(b, 200)
				took = append(took, time.Since(asked))
				time.Sleep(time.Millisecond)
			}
			wall := time.Since(began).Seconds()
			b.ReportMetric((cpuSeconds()-cpu)/wall, "cpu-s/s")
			cancel()
			beside.Wait()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(offered)/wall, "offered/s")
			b.ReportMetric(float64(l.Lost())/wall, "lost/s")
			b.ReportMetric(peakMiB(b), "peak-MiB")
			kept, err := db.One(b.Context(), d, db.Value[int], `SELECT count(*) FROM audit_events`)
			if err != nil || int64(kept)+l.Lost() != int64(offered) {
				b.Errorf("%d kept and %d lost of %d, %v", kept, l.Lost(), offered, err)
			}
		})
	}
}

// cpuSeconds is what this process has used, PostgreSQL not among it.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// peakMiB is the most memory that this process has had.
func peakMiB(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); fields[0] == "VmHWM:" {
			kib, _ := strconv.Atoi(fields[1])
			return float64(kib) / 1024
		}
	}
	return 0
}
