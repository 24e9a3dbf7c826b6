package crash

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// resumable is the body of an upload by tus that comes with its creation.
type resumable struct {
	folder string // the id of where it goes
	name   string
	bytes  []byte
}

// tally counts answers.
type tally struct{ acknowledged, unknown, refused, reads atomic.Int64 }

// settled counts an answer that says for sure what became of a change, and
// reports whether it took place; ok is false for one that is neither yes nor
// "not now".
func (a *tally) settled(status int, code string) (done, ok bool) {
	switch {
	case status < 300:
		a.acknowledged.Add(1)
		return true, true
	case code == "unsent": // the server is dead
		time.Sleep(10 * time.Millisecond)
		return false, true
	case code == "busy":
		a.refused.Add(1)
		time.Sleep(2 * time.Millisecond)
		return false, true
	}
	return false, false
}

func (a *tally) String() string {
	return fmt.Sprintf("%d changes acknowledged, %d without an answer, %d refused as busy or no member, %d reads",
		a.acknowledged.Load(), a.unknown.Load(), a.refused.Load(), a.reads.Load())
}

// caller keeps as many connections as there are clients: one that waits for a
// connection would not be in flight.
var caller = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100, IdleConnTimeout: 20 * time.Second, DisableCompression: true}}

// request sends one request. sure is false when its outcome is not known.
func request(ctx context.Context, s *server, token, method, path string, body any, out any) (status int, code string, sure bool) {
	var content io.Reader
	kind := "application/octet-stream"
	switch body := body.(type) {
	case nil:
	case []byte:
		content = bytes.NewReader(body)
	case resumable:
		content, kind = bytes.NewReader(body.bytes), "application/offset+octet-stream"
	default:
		text, _ := json.Marshal(body)
		content, kind = bytes.NewReader(text), "application/json"
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, content)
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", kind)
	if up, ok := body.(resumable); ok {
		req.Header.Set("Tus-Resumable", "1.0.0")
		req.Header.Set("Upload-Length", fmt.Sprint(len(up.bytes)))
		encode := base64.StdEncoding.EncodeToString
		req.Header.Set("Upload-Metadata", fmt.Sprintf("filename %s,parent_id %s", encode([]byte(up.name)), encode([]byte(up.folder))))
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	began := time.Now()
	defer func() { s.times.note(kindOf(method, path), began, status, code) }()
	res, err := caller.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return http.StatusServiceUnavailable, "unsent", true
	}
	if err != nil {
		return 0, err.Error(), false
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error(), false
	}
	if res.StatusCode >= 300 {
		code := codeOf(text)
		// A proxy sends some requests once more, also when the first may have
		// been carried out.
		again := s.url != s.own && method == "DELETE" && res.StatusCode == http.StatusNotFound
		// busy and a 4xx say that nothing happened; the others leave it open.
		return res.StatusCode, code, !again && res.StatusCode < 500 || code == "busy"
	}
	if _, made, ok := strings.Cut(res.Header.Get("Content-Location"), "/items/"); ok {
		text = fmt.Appendf(nil, `{"id":%q}`, made) // tus answers without a body
	}
	if b, ok := out.(*[]byte); ok {
		*b, code = text, res.Header.Get("ETag")
	} else if out != nil && json.Unmarshal(text, out) != nil {
		return 0, "the answer is no JSON", false
	}
	return res.StatusCode, code, true
}

// codeOf is what a problem is called.
func codeOf(text []byte) string {
	var problem struct{ Code string }
	json.Unmarshal(text, &problem)
	return problem.Code
}

type itemBody struct {
	ID, Name, Path, Type, SHA256 string
	Size                         int
}

// bytesOf are up to most bytes that begin with a name, so that a finding says
// whose they are.
func bytesOf(random *rand.Rand, name string, most int) []byte {
	b := append(make([]byte, 0, len(name)+most+9), name+"\n"...)
	for end := len(b) + random.IntN(most); len(b) < end; {
		n := random.Uint64()
		b = append(b, byte(n), byte(n>>8), byte(n>>16), byte(n>>24), byte(n>>32), byte(n>>40), byte(n>>48), byte(n>>56))
	}
	return b
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// history is what a client asked for, and the answers, in their order.
type history struct {
	lines []string
	began time.Time
	cycle int
}

// note adds a line about the items that it names.
func (h *history) note(format string, args ...any) {
	if len(h.lines) > 5000 {
		h.lines = append(h.lines[:0], h.lines[2500:]...)
	}
	h.lines = append(h.lines, fmt.Sprintf("cycle %d %+.3f s: ", h.cycle, time.Since(h.began).Seconds())+fmt.Sprintf(format, args...))
}

// of gives the last lines that name one of the things.
func (h *history) of(things ...string) string {
	var found []string
	for _, line := range h.lines {
		for _, thing := range things {
			if thing != "" && strings.Contains(line, thing) {
				found = append(found, "\n    "+line)
				break
			}
		}
	}
	return strings.Join(found[max(0, len(found)-25):], "")
}
