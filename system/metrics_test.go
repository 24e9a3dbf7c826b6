package system_test

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"homebase/httpx"
	"homebase/httpx/httpxtest"
	"homebase/system"
)

func withFigures(setup *system.Setup) {
	setup.Figures = []func(context.Context) ([]httpx.Figure, error){
		func(context.Context) ([]httpx.Figure, error) {
			return []httpx.Figure{{Name: "homebase_odd", Help: "A \\ and\na line.", Labels: map[string]string{"b": "2", "a": "a \"\\\nq"}, Value: 1.5}}, nil
		},
		setup.Audit.Figures,
	}
}

func TestMetrics_CountRequestsByRouteAndStatus(t *testing.T) {
	t.Parallel()
	rm := start(t, withFigures)
	for range 3 {
		rm.Client(t).Do("GET", "/system/health", nil).Want(t, 200)
	}
	rm.admin.Do("GET", "/system/flags/no-such-flag", nil).Want(t, 404)
	read := func() (m system.Metrics) {
		rm.admin.Do("GET", "/system/metrics", nil, httpxtest.WithHeader("Accept", "*/*")).Want(t, 200).JSON(t, &m)
		return m
	}
	route := func(m system.Metrics, pattern string) system.RouteFigures {
		i := slices.IndexFunc(m.Requests, func(f system.RouteFigures) bool { return f.Route == pattern })
		if i < 0 {
			return system.RouteFigures{}
		}
		return m.Requests[i]
	}
	await(t, "the answers are counted", func() bool { return route(read(), "GET /system/flags/{key}").Statuses["4xx"] == 1 })
	m := read()
	health := route(m, "GET /system/health")
	var timed int64
	for _, n := range health.Durations {
		timed += n
	}
	if health.Statuses["2xx"] != 3 || timed != 3 || len(health.Durations) != len(m.DurationBounds)+1 || health.BytesOut == 0 || health.Seconds <= 0 {
		t.Errorf("health is %+v", health)
	}
	for _, name := range []string{
		"homebase_audit_lost_events_total", "homebase_audit_queue_events", "homebase_build_info", "homebase_database_connections", "homebase_go_goroutines",
		"homebase_http_handling_requests", "homebase_http_limited_total", "homebase_http_requests_in_flight", "homebase_listen_fresh", "homebase_odd",
	} {
		if !slices.ContainsFunc(m.Figures, func(f httpx.Figure) bool { return f.Name == name }) {
			t.Errorf("%s is missing", name)
		}
	}
}

// TestMetrics_PrometheusReadsTheText holds the text against the format 0.0.4:
// Prometheus refuses the whole scrape for one wrong line.
func TestMetrics_PrometheusReadsTheText(t *testing.T) {
	t.Parallel()
	rm := start(t, withFigures)
	rm.Client(t).Do("GET", "/system/health", nil).Want(t, 200)
	rm.Client(t).Do("GET", "/nothing", nil).Want(t, 404)
	a := rm.admin.Do("GET", "/system/metrics", nil, httpxtest.WithHeader("Accept",
		"application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1")).Want(t, 200)
	if got := a.Header.Get("Content-Type"); got != "text/plain; version=0.0.4; charset=utf-8" {
		t.Errorf("the type is %q", got)
	}
	text := string(a.Body)
	if !strings.HasSuffix(text, "\n") || strings.Contains(text, "\n\n") || strings.Contains(text, "\r") {
		t.Error("lines do not end in one line feed each")
	}
	if !strings.Contains(text, "# HELP homebase_odd A \\\\ and\\na line.\n# TYPE homebase_odd gauge\n"+`homebase_odd{a="a \"\\\nq",b="2"} 1.5`+"\n") {
		t.Error("help or labels are not escaped")
	}
	help := regexp.MustCompile(`^# HELP (homebase_[a-z0-9_]+) \S.*$`)
	kind := regexp.MustCompile(`^# TYPE (homebase_[a-z0-9_]+) (counter|gauge|histogram)$`)
	sample := regexp.MustCompile(`^(homebase_[a-z0-9_]+)((?:\{[a-z]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z]+="(?:[^"\\\n]|\\["\\n])*")*\})?) (\S+)$`)
	le := regexp.MustCompile(`,?le="([^"]*)"`)
	types, seen := map[string]string{}, map[string]bool{}
	family, helped := "", ""
	bucket := map[string]float64{} // the last bucket of each series
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		if m := help.FindStringSubmatch(line); m != nil {
			helped = m[1]
			continue
		}
		if m := kind.FindStringSubmatch(line); m != nil {
			if family = m[1]; types[family] != "" || helped != family {
				t.Errorf("the family %s begins twice, or without help", family)
			}
			types[family] = m[2]
			continue
		}
		m := sample.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("this is no line of the format: %q", line)
		}
		if seen[m[1]+m[2]] {
			t.Errorf("twice: %s%s", m[1], m[2])
		}
		seen[m[1]+m[2]] = true
		value, err := strconv.ParseFloat(m[3], 64)
		suffix := strings.TrimPrefix(m[1], family)
		if err != nil || types[family] != "histogram" && suffix != "" || types[family] == "histogram" && !slices.Contains([]string{"_bucket", "_sum", "_count"}, suffix) {
			t.Errorf("in the family %s %s: %q", types[family], family, line)
		}
		if (types[family] == "counter") != strings.HasSuffix(family, "_total") {
			t.Errorf("%s is a %s", family, types[family])
		}
		series := strings.Replace(le.ReplaceAllString(m[2], ""), "{,", "{", 1)
		switch suffix {
		case "_bucket":
			if value < bucket[series] {
				t.Errorf("the buckets are not cumulative at %q", line)
			}
			bucket[series] = value
			if strings.Contains(m[2], "+Inf") {
				seen["inf"+series] = true
			}
		case "_count":
			if value != bucket[series] || !seen["inf"+series] {
				t.Errorf("%q, but the last bucket is %v", line, bucket[series])
			}
		}
	}
	for _, want := range []string{`homebase_http_requests_total{route="GET /system/health",status="2xx"} 1`, `homebase_http_requests_total{route="none",status="4xx"} 1`} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("there is no %s", want)
		}
	}
}

func TestMetrics_AreReadByAKeyThatMayAndByNobodyElse(t *testing.T) {
	t.Parallel()
	rm := start(t)
	var made struct{ Key string }
	rm.admin.Do("POST", "/auth/keys", object{"name": "scraper", "permissions": []string{"system:read"}}).Want(t, 201).JSON(t, &made)
	text := httpxtest.WithHeader("Accept", "text/plain")
	rm.Client(t).As(made.Key).Do("GET", "/system/metrics", nil, text).Want(t, 200)
	rm.Client(t).Do("GET", "/system/metrics", nil, text).WantProblem(t, 401, "unauthenticated")
	rm.User(t, "m@example.com", "member")
	rm.SignIn(t, "m@example.com").Do("GET", "/system/metrics", nil, text).WantProblem(t, 403, "forbidden")
}
