package bench

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// BenchmarkSpace compares requests in a space with the same ones in the caller's
// own tree, by turns, so that both meet the same machine: x-own is the ratio of
// processor time, with PostgreSQL's.
func BenchmarkSpace(b *testing.B) {
	s := homebase(b)
	var space, home, there struct {
		ID     string
		RootID string `json:"root_id"`
	}
	s.json(b, "POST", "/files/spaces", map[string]any{"name": "measured", "quota": 100 << 30}, &space)
	in := "?space=" + space.ID
	s.json(b, "POST", "/files/folders", map[string]any{"path": "/measured"}, &home)
	s.json(b, "POST", "/files/folders"+in, map[string]any{"path": "/measured"}, &there)
	put := func(path, query string) {
		s.call(b, "PUT", "/files/content/measured/"+path+query, &pattern{left: 4 << 10}, nil)
	}
	for i := range 200 {
		put(fmt.Sprintf("f%03d", i), "")
		put(fmt.Sprintf("f%03d", i), in)
	}
	n := 0
	for _, c := range []struct {
		name string
		do   func(space bool)
	}{
		{"Listing", func(space bool) {
			id := home.ID
			if space {
				id = there.ID
			}
			s.call(b, "GET", "/files/items/"+id+"/children?limit=100", nil, nil)
		}},
		{"DownloadByPath", func(space bool) {
			query := ""
			if space {
				query = in
			}
			s.call(b, "GET", "/files/content/measured/f000"+query, nil, http.Header{})
		}},
		{"Upload4KiB", func(space bool) {
			n++
			query := ""
			if space {
				query = in
			}
			put(fmt.Sprint("n", n), query)
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			var spent [2]time.Duration
			for b.Loop() {
				for i, space := range []bool{false, true} {
					before := s.cpu(b)
					for range 500 {
						c.do(space)
					}
					spent[i] += s.cpu(b) - before
				}
			}
			b.ReportMetric(spent[1].Seconds()/spent[0].Seconds(), "x-own")
			b.ReportMetric(spent[0].Seconds()*1e6/float64(500*b.N), "cpu-us/own")
			b.ReportMetric(spent[1].Seconds()*1e6/float64(500*b.N), "cpu-us/space")
		})
	}
}
