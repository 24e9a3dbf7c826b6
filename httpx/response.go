package httpx

import (
	"cmp"
	"fmt"
	"net/http"
	"time"
)

// response is the ResponseWriter that handlers get. It counts, and its ReadFrom
// hands files on to the connection.
//
// A status of 400 or more that a handler writes by itself is held back and
// becomes a problem: http.ServeContent answers 412 and 416 in its own way.
//
// A 200 to GET or HEAD with an ETag that the request's If-None-Match names is
// sent as 304 (RFC 9110, section 13.1.2), whoever wrote it.
type response struct {
	http.ResponseWriter
	conn     *conn
	body     *body
	asked    *http.Request
	id       string   // of the request
	carries  []header // what it carries in any case
	replaced [7]bool  // by the handler, before the answer began: what it carries of these
	status   int      // 0 until the answer begins
	held     int      // the error status that was held back
	sent     int64    // bytes of the body
	broken   error    // why a write failed
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// SetReadDeadline makes reads of the request body fail from t on, also one
// that waits now and also when another goroutine calls: the usual rolling
// deadline does not undo it.
func (w *response) SetReadDeadline(t time.Time) error { return w.body.setOwn(t) }

func (w *response) begun() bool { return w.status != 0 }

// begin sends the headers.
func (w *response) begin(status int) {
	w.status = status
	w.body.settle()
	if w.conn.Conn == nil {
		w.completeHeader()
	}
	w.ResponseWriter.WriteHeader(status)
	for i, h := range w.carries {
		w.replaced[i] = w.Header()[h.name] != nil
	}
	w.conn.answer = w // not before: from here on net/http sends no 100 Continue
}

// unchanged reports whether the client has what a 200 would send.
func (w *response) unchanged() bool {
	tag := w.Header().Get("ETag")
	return tag != "" && (w.asked.Method == http.MethodGet || w.asked.Method == http.MethodHead) && IfNoneMatch(w.asked.Header, tag)
}

// sends reports whether the answer takes a body. What a handler writes to one
// that does not is dropped.
func (w *response) sends() bool {
	return w.begun() && w.status != http.StatusNoContent && w.status != http.StatusNotModified
}

// WriteHeader begins the answer, or holds it back if it is an error.
func (w *response) WriteHeader(status int) {
	switch {
	case w.begun() || w.held != 0:
	case status >= 400:
		w.held = status
	case status < 200:
		w.ResponseWriter.WriteHeader(status)
	case status == http.StatusOK && w.unchanged():
		for _, name := range []string{"Accept-Ranges", "Content-Encoding", "Content-Length", "Content-Type", "Last-Modified"} {
			w.Header().Del(name)
		}
		w.begin(http.StatusNotModified)
	default:
		w.begin(status)
	}
}

// refusal is the problem that stands for the status held back.
func (w *response) refusal() error {
	switch w.held {
	case 0:
		return nil
	case http.StatusPreconditionFailed:
		return ErrPreconditionFailed
	case http.StatusRequestedRangeNotSatisfiable:
		return ErrRange
	}
	return errInternal.Because(fmt.Errorf("the handler wrote the status %d by itself", w.held))
}

func (w *response) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if !w.sends() {
		return len(p), nil
	}
	// If the head and p are more than net/http gathers, it writes twice.
	w.conn.moreFollows = true
	n, err := w.ResponseWriter.Write(p)
	w.conn.moreFollows = false
	w.sent += int64(n)
	w.broken = cmp.Or(w.broken, err)
	return n, err
}

// FlushError is found by http.ResponseController.
func (w *response) FlushError() error {
	w.WriteHeader(http.StatusOK)
	if !w.begun() {
		return nil
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}
