package httpx

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"github.com/google/uuid"
)

// conclude brings every request to its one end: an answer, a log line, a
// count. An error that comes after the answer has begun can only break the
// connection, so that nobody takes half an answer for a whole one.
func (s *Server) conclude(x *exchange, r *http.Request, err error, panicked any) {
	defer x.body.stop()
	var stack []byte
	if panicked != nil {
		var ok bool
		if err, ok = panicked.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
			err, stack = fmt.Errorf("panic: %v", panicked), debug.Stack()
		}
	}
	if err == nil {
		err = cmp.Or(x.w.broken, x.w.refusal())
	}
	var problem *Problem
	abort := false
	switch {
	case err == nil:
		if !x.w.begun() {
			x.w.WriteHeader(http.StatusOK)
		}
	case errors.Is(err, http.ErrAbortHandler):
		problem, abort = errGone.Because(err), true
	default:
		if problem = problemOf(r.Context(), err); x.w.begun() && isGone(err) {
			problem = errGone.Because(err)
		}
		abort = x.w.begun() || problem.Status == errGone.Status
		if !abort {
			x.w.problem(problem)
		}
	}
	s.record(x, r, problem, stack)
	if abort {
		panic(http.ErrAbortHandler)
	}
}

// isGone reports whether a write failed because of the client: it closed the
// connection or did not read.
func isGone(err error) bool {
	return slices.ContainsFunc([]error{syscall.EPIPE, syscall.ECONNRESET, net.ErrClosed, os.ErrDeadlineExceeded},
		func(target error) bool { return errors.Is(err, target) })
}

// record writes the access log line and counts. The path and the query stay
// out of both: they can hold names and secrets.
func (s *Server) record(x *exchange, r *http.Request, problem *Problem, stack []byte) {
	took := time.Since(x.start)
	status := x.w.status
	if problem != nil && (status == 0 || problem.Status == errGone.Status) {
		status = problem.Status
	}
	pattern := ""
	if x.route != nil {
		pattern = x.route.Pattern
	}
	bytesIn, bytesOut := x.body.read.Load(), x.w.sent
	s.metrics.count(pattern, status, took, bytesIn, bytesOut)

	level := slog.LevelInfo
	switch {
	case problem == nil || problem.Status < 500:
	case problem.Status == http.StatusServiceUnavailable:
		level = slog.LevelWarn // it passes: whoever asks again is served
	default:
		level = slog.LevelError
	}
	if !s.cfg.Log.Enabled(r.Context(), level) {
		return
	}
	attrs := append(make([]slog.Attr, 0, 13), // all that there can be
		slog.String("method", clip(r.Method)),
		slog.String("route", cmp.Or(pattern, "none")),
		slog.Int("status", status),
		slog.Float64("seconds", took.Seconds()),
		slog.Int64("bytes_in", bytesIn),
		slog.Int64("bytes_out", bytesOut),
		slog.String("request_id", x.w.id),
	)
	if x.addr.IsValid() {
		attrs = append(attrs, slog.String("client", x.addr.String()))
	}
	if x.caller != nil && !x.caller.Operator {
		attrs = append(attrs, slog.String("user", x.caller.UserID.String()))
		if x.caller.KeyID != uuid.Nil {
			attrs = append(attrs, slog.String("key", x.caller.KeyID.String()))
		}
	}
	if problem != nil {
		attrs = append(attrs, slog.String("problem", problem.Code))
		if problem.cause != nil {
			attrs = append(attrs, slog.Any("cause", problem.cause))
		}
	}
	if stack != nil {
		attrs = append(attrs, slog.String("stack", string(stack)))
	}
	s.cfg.Log.LogAttrs(r.Context(), level, "request", attrs...)
}

// Document is the wire form of a problem.
type Document struct {
	Type      string       `json:"type"`
	Title     string       `json:"title"`
	Status    int          `json:"status"`
	Detail    string       `json:"detail,omitempty"`
	Code      string       `json:"code"`
	RequestID string       `json:"request_id"`
	Errors    []FieldError `json:"errors,omitempty"`
}

func (p *Problem) document(requestID string) Document {
	return Document{
		Type:      "urn:homebase:problem:" + p.Code,
		Title:     p.Title,
		Status:    p.Status,
		Detail:    p.Detail,
		Code:      p.Code,
		RequestID: requestID,
		Errors:    p.Fields,
	}
}

// DocumentOf is what an error would be answered with, for one part of an
// answer that has several. A fault of the server goes to the log.
func DocumentOf(ctx context.Context, err error) Document {
	p, x := problemOf(ctx, err), exchangeOf(ctx)
	if p.Status >= 500 {
		x.server.cfg.Log.ErrorContext(ctx, "part of a request failed", "problem", p.Code, "cause", p.cause, "request_id", x.w.id)
	}
	return p.document(x.w.id)
}

// problem answers with p. Headers that described the answer which the handler
// had in mind would now be wrong; its cookies stay, for a refusal may clear
// them.
func (w *response) problem(p *Problem) {
	h := w.Header()
	for _, name := range []string{"Accept-Ranges", "Content-Disposition", "Content-Digest", "Content-Encoding", "Content-Length", "Content-Location", "ETag", "Last-Modified", "Location", "Repr-Digest"} {
		h.Del(name)
	}
	for _, own := range madeAnswer {
		h.Del(own.name)
	}
	w.carries = madeAnswer
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	for name, value := range p.Header {
		h.Set(name, value)
	}
	if p.Instead != nil {
		text, _ := EncodeJSON(p.Instead) // strings alone
		h.Set("Content-Type", "application/json")
		w.begin(p.Status)
		w.Write(text)
		return
	}
	// Strings and numbers alone: neither of these can fail.
	text, _ := json.Marshal(p.document(w.id))
	if len(p.Members) > 0 {
		more, _ := json.Marshal(p.Members)
		text = append(append(text[:len(text)-1], ','), more[1:]...)
	}
	h.Set("Content-Type", "application/problem+json")
	w.begin(p.Status)
	w.Write(text)
}
