package httpxtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"

	"homebase/httpx"
)

// seen is the file to which all test processes of a run add what their
// clients saw, so that the run can tell which documented answers no test ever
// got. Without it, as in a run of a few tests, nothing is kept.
var seen = struct {
	sync.Mutex
	path  string
	known map[string]bool
}{path: os.Getenv("HOMEBASE_TEST_SEEN"), known: map[string]bool{}}

// remember adds an answer as a line "METHOD /pattern status", with the code
// of a problem as a fourth word. A short line that is appended is written at
// once or not at all, so processes need no lock.
func (a *Answer) remember(r *http.Request, route *httpx.Route) error {
	if seen.path == "" || route == nil {
		return nil
	}
	if method, _, _ := strings.Cut(route.Pattern, " "); method != r.Method && !route.Override {
		return nil
	}
	var p Problem
	if a.Status >= 400 {
		if err := json.Unmarshal(a.Body, &p); err != nil {
			return nil // check says so
		}
	}
	line := strings.TrimSpace(fmt.Sprintf("%s %d %s", route.Pattern, a.Status, p.Code)) + "\n"
	seen.Lock()
	defer seen.Unlock()
	if seen.known[line] {
		return nil
	}
	seen.known[line] = true
	f, err := os.OpenFile(seen.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	if closing := f.Close(); err == nil {
		err = closing
	}
	return err
}

// Unseen are the documented answers of a table that are not among the lines
// that the clients of a whole run remembered: each status and problem that a
// route declares, on that route, and each implied problem on any.
func Unseen(routes []httpx.Route, lines string) (missing []string) {
	known, anywhere := map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(lines) {
		line = strings.TrimSpace(line)
		known[line] = true
		if words := strings.Fields(line); len(words) == 4 {
			anywhere[words[2]+" "+words[3]] = true
		}
	}
	want := func(line string, seen bool) {
		if !seen {
			known[line], missing = true, append(missing, line)
		}
	}
	for _, p := range httpx.ImpliedProblems(nil) {
		anywhere[fmt.Sprint(p.Status, " ", p.Code)] = true // those of paths without a route are not remembered
	}
	for i := range routes {
		for _, r := range routes[i].Responses {
			line := fmt.Sprint(routes[i].Pattern, " ", r.Status)
			want(line, known[line])
		}
		for _, p := range routes[i].Problems {
			line := fmt.Sprint(routes[i].Pattern, " ", p.Status, " ", p.Code)
			want(line, known[line])
		}
		for _, p := range httpx.ImpliedProblems(&routes[i]) {
			line := fmt.Sprint(p.Status, " ", p.Code)
			want("any route "+line, anywhere[line] || known["any route "+line])
		}
	}
	return missing
}
