package httpx

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"homebase/db"
)

// How the server drains: after a pause idle connections are closed, and requests
// in flight get the patience of the server's pace; then their contexts end and
// their bodies fail, and after drainRest their connections are cut. The drain is
// over as soon as there are no connections.
const (
	drainPause = 250 * time.Millisecond
	drainRest  = 5 * time.Second
	drainLook  = 2 * time.Millisecond
)

// Serve answers on ln until ctx ends, then drains and returns nil. The error
// is the listener's. It may be called once.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if s.cfg.Operator != nil {
		return errors.New("a server of the operator does not listen")
	}
	limit := &limited{Listener: ln, server: s, permits: make(chan struct{}, mostConnections())}
	srv := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: s.pace.header,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return db.WithPatience(s.cut, s.pace.database) },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
		// "OPTIONS *" is answered like any other invalid path.
		DisableGeneralOptionsHandler: true,
	}
	srv.Protocols = new(http.Protocols)
	srv.Protocols.SetHTTP1(true)

	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(limit) }()
	notify("READY=1")
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	close(s.draining)
	notify("STOPPING=1")
	// No new connections: those that wait in the kernel are left to the next process.
	ln.Close()
	<-ended
	s.drain(srv, limit)
	return nil
}

// drain ends the connections. http.Server.Shutdown would do so too early: it drops
// requests that arrive after it was called, even the first one of a connection
// that was accepted before. Without keep-alive, each connection ends with an
// answer that says so.
func (s *Server) drain(srv *http.Server, limit *limited) {
	defer s.cutOff()
	defer srv.Close()
	empty := func(within time.Duration, close func(bool)) bool {
		for end := time.Now().Add(within); limit.open() > 0; time.Sleep(drainLook) {
			if time.Now().After(end) {
				return false
			}
			close(false)
		}
		return true
	}
	// Clients that send another request meanwhile are told to close.
	if empty(drainPause, func(bool) {}) || empty(s.pace.patience, srv.SetKeepAlivesEnabled) {
		return
	}
	s.cfg.Log.Info("cutting off long requests", "in_flight", s.metrics.inFlight.Load())
	s.cutOff()
	empty(drainRest, srv.SetKeepAlivesEnabled)
}

// Draining is closed when the server begins to stop: readiness then says so, and
// endless answers should end.
func (s *Server) Draining() <-chan struct{} { return s.draining }

func (s *Server) stopping() bool {
	select {
	case <-s.draining:
		return true
	default:
		return false
	}
}
