package httpxtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"

	"homebase/httpx"
)

// seen is where all test processes of a run record what their clients saw, so that the
// run can name the documented answers that no test got. Without the setting, as in a
// run of a few tests, nothing is recorded. The file stays open, because some tests
// use up all descriptors.
var seen = struct {
	sync.Mutex
	file  *os.File
	err   error
	known map[string]bool
}{known: map[string]bool{}}

func init() {
	if path := os.Getenv("HOMEBASE_TEST_SEEN"); path != "" {
		seen.file, seen.err = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	}
}

// remember adds an answer as a line "METHOD /pattern status", with the code of a problem
// as a fourth word. Each line is appended in one write, so processes need no lock.
func (a *Answer) remember(r *http.Request, route *httpx.Route) error {
	if seen.file == nil || route == nil {
		return seen.err
	}
	if method, _, _ := strings.Cut(route.Pattern, " "); method != r.Method && !route.Override {
		return nil
	}
	var p Problem
	if a.Status >= 400 && r.Method != http.MethodHead {
		if err := json.Unmarshal(a.Body, &p); err != nil {
			return nil // check says so, where there should have been one
		}
	}
	line := strings.TrimSpace(fmt.Sprintf("%s %d %s", route.Pattern, a.Status, p.Code)) + "\n"
	seen.Lock()
	defer seen.Unlock()
	if seen.known[line] {
		return nil
	}
	seen.known[line] = true
	_, err := seen.file.WriteString(line)
	return err
}

// Unseen are the documented answers of a table that the clients of a whole run did not
// remember: each status of a route must have come from that route, and the code of
// each problem from any, because most are answered in one place for many routes. For
// problems that have nothing to do with the route, only the code counts.
func Unseen(routes []httpx.Route, lines string) (missing []string) {
	known := map[string]bool{}
	for line := range strings.Lines(lines) {
		words := strings.Fields(line)
		known[strings.Join(words[:min(3, len(words))], " ")] = true
		if len(words) == 4 {
			known[words[2]+" "+words[3]] = true
		}
	}
	want := func(line string) {
		if !known[line] {
			known[line], missing = true, append(missing, line)
		}
	}
	routes = httpx.Whole(routes)
	for i := range routes {
		for _, r := range routes[i].Answers() {
			want(fmt.Sprint(routes[i].Pattern, " ", r.Status))
		}
		for _, r := range routes[i].Refusals {
			want(fmt.Sprint(routes[i].Pattern, " ", r.Status))
		}
		for _, p := range slices.Concat(routes[i].Problems, httpx.ImpliedProblems(&routes[i])) {
			want(fmt.Sprint(p.Status, " ", p.Code))
			if !anywhere(p) {
				want(fmt.Sprint(routes[i].Pattern, " ", p.Status))
			}
		}
	}
	return missing
}

// anywhere reports whether a problem comes from outside the routes: the limiter, the
// disk, the database or the drain.
func anywhere(p *httpx.Problem) bool {
	return p.Status >= 500 || slices.Contains([]int{http.StatusRequestTimeout, http.StatusTooManyRequests}, p.Status) || p.Code == "untrusted_peer" || p.Code == "invalid_path"
}
