package bench

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"time"
)

var keepersOnce sync.Once
var keepers [2]*server // without versions, and with

// BenchmarkReplace puts other bytes in place of a file's by turns on a server that
// keeps versions and on one that keeps none: x-time and x-cpu are what versions
// cost. The files are replaced over and over, so thinning out is in it.
func BenchmarkReplace(b *testing.B) {
	keepersOnce.Do(func() {
		binary := homebase(b).cmd.Path
		keepers[0] = launch(b, binary, "without", place+"/without", "HOMEBASE_VERSION_RETENTION=0d")
		keepers[1] = launch(b, binary, "with", place+"/with", "HOMEBASE_VERSION_RETENTION=30d")
	})
	for _, lanes := range []int{1, 8} {
		b.Run(fmt.Sprintf("16KiBOver%d", lanes), func(b *testing.B) { replaceByTurns(b, lanes) })
	}
}

// replaceByTurns lets each server have as many requests at once.
func replaceByTurns(b *testing.B, lanes int) {
	const files = 200
	body := bytes.Repeat([]byte("version "), 2<<10)
	var spent, cpu [2]time.Duration
	n := 0
	for i, s := range keepers {
		for file := range files {
			s.call(b, "PUT", fmt.Sprintf("/files/content/documents/r%d", file), bytes.NewReader(body), nil)
		}
		cpu[i] = -s.cpu(b)
	}
	for b.Loop() {
		for turn := range keepers {
			i := (n + turn) % 2
			began := time.Now()
			var sending sync.WaitGroup
			for lane := range lanes {
				sending.Go(func() {
					own := bytes.Clone(body)
					binary.BigEndian.PutUint64(own, uint64(n*lanes+lane))
					keepers[i].call(b, "PUT", fmt.Sprintf("/files/content/documents/r%d", (n*lanes+lane)%files), bytes.NewReader(own), nil)
				})
			}
			sending.Wait()
			spent[i] += time.Since(began)
		}
		n++
	}
	time.Sleep(3 * time.Second) // thinning out comes a moment later
	each := float64(n * lanes)
	for i, s := range keepers {
		cpu[i] += s.cpu(b)
		b.ReportMetric(spent[i].Seconds()*1e6/each, "us-"+s.name+"/op")
		b.ReportMetric(cpu[i].Seconds()*1e6/each, "cpu-us-"+s.name+"/op")
	}
	b.ReportMetric(spent[1].Seconds()/spent[0].Seconds(), "x-time")
	b.ReportMetric(cpu[1].Seconds()/cpu[0].Seconds(), "x-cpu")
}
