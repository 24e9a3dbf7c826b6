package httpx_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"homebase/httpx"
)

// TestServe_ARestartLosesNoRequest hands one socket from server to server, as
// systemd does, while clients go on asking: some on a connection of their own
// for each request, some on one that they keep.
func TestServe_ARestartLosesNoRequest(t *testing.T) {
	t.Parallel()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	const rounds, clients, each = 8, 4, 25
	var answers atomic.Int64
	asking, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i := range clients {
		client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: i%2 == 0}}
		all.Go(func() {
			defer client.CloseIdleConnections()
			for asking.Err() == nil {
				response, err := client.Get("http://" + socket.Addr().String() + "/api/v1/thing")
				if err != nil {
					t.Errorf("after %d answers: %v", answers.Load(), err)
					continue
				}
				if _, err := io.ReadAll(response.Body); err != nil || response.StatusCode != 204 {
					t.Errorf("%d %v", response.StatusCode, err)
				}
				response.Body.Close()
				answers.Add(1)
			}
		})
	}
	for range rounds {
		file, err := socket.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		ln, err := net.FileListener(file)
		file.Close()
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan bool, each)
		server, err := httpx.New(config(), []httpx.Route{route("GET /thing", httpx.Public(), with(func(w http.ResponseWriter, r *http.Request) error {
			select {
			case served <- true:
			default:
			}
			return done(w, r)
		}))})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- server.Serve(ctx, ln) }()
		for range each {
			<-served
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	// What still waits in the socket gets its answer from a last server.
	stop()
	ctx, cancel := context.WithCancel(t.Context())
	server, err := httpx.New(config(), []httpx.Route{route("GET /thing", httpx.Public())})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, socket) }()
	all.Wait()
	cancel()
	<-ended
	t.Logf("%d answers in %d rounds", answers.Load(), rounds)
}
