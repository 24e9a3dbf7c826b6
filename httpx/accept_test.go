package httpx

import (
	"net"
	"testing"
)

// A connection that was let in just as the drain began is answered.
func TestAccept_WhoeverGetsAPlaceIsNotDropped(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	stop := make(chan struct{})
	close(stop)
	l := &limited{Listener: ln, places: make(chan struct{}, 64), stop: stop}
	for range 64 {
		client, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		conn, err := l.Accept()
		if err != nil {
			t.Fatal("a connection was dropped while places were free")
		}
		conn.Close()
	}
}
