package httpx

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// How the drain goes: after a pause, requests in flight get the patience of
// the server's pace; then their contexts end and their bodies fail, and
// drainRest later the connections are cut.
const (
	drainPause = 100 * time.Millisecond
	drainRest  = 5 * time.Second
)

// Serve answers on ln until ctx ends, then drains and returns nil. The error
// is the listener's. It may be called once.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	limit := &limited{Listener: ln, places: make(chan struct{}, mostConnections()), stop: s.draining}
	srv := &http.Server{
		ConnState:         limit.track,
		Handler:           s,
		ReadHeaderTimeout: s.pace.header,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return s.cut },
		// "OPTIONS *" is answered like any other path that is none.
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
	// Shutdown cuts a connection whose first request has not been read yet.
	// So nobody new is let in first, and those who are in get a moment.
	ln.Close()
	<-ended
	time.Sleep(drainPause)
	return s.drain(srv)
}

func (s *Server) drain(srv *http.Server) error {
	defer s.cutOff()
	within := func(d time.Duration) error {
		ctx, cancel := context.WithTimeout(context.Background(), d)
		defer cancel()
		return srv.Shutdown(ctx)
	}
	err := within(s.pace.patience)
	if errors.Is(err, context.DeadlineExceeded) {
		s.log.Info("cutting long requests off", "in_flight", s.metrics.inFlight.Load())
		s.cutOff()
		err = within(drainRest)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return srv.Close()
	}
	return err
}

// Draining is closed when the server has begun to stop: readiness says so,
// and answers without an end should end.
func (s *Server) Draining() <-chan struct{} { return s.draining }

func (s *Server) stopping() bool {
	select {
	case <-s.draining:
		return true
	default:
		return false
	}
}
