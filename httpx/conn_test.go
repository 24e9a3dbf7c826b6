package httpx_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

// statuses sends a text on a connection of its own, byte by byte or at once,
// and tells the status of each answer until the server closes it,
// and whether the last one said that it would.
func statuses(t *testing.T, s *httpxtest.Server, text string, slowly bool) (all []string, closed bool) {
	t.Helper()
	conn := dial(t, s)
	if slowly {
		for i := range len(text) {
			if _, err := conn.Write([]byte{text[i]}); err != nil {
				break // it has refused the rest
			}
		}
	} else {
		io.WriteString(conn, text)
	}
	conn.(*net.TCPConn).CloseWrite()
	answers, err := io.ReadAll(conn)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(answers), "HTTP/1.")[1:] {
		all = append(all, part[2:5])
		closed = strings.Contains(part, "Connection: close\r\n")
	}
	return all, closed
}

const putThing, getThing = "PUT /api/v1/thing HTTP/1.1\r\nHost: x\r\n", "GET /api/v1/thing HTTP/1.1\r\nHost: x\r\n\r\n"

// Behind each head stands text that is a request by one reading and a body by another.
func TestFraming_WhatAProxyMayReadOtherwiseEndsTheConnection(t *testing.T) {
	t.Parallel()
	s, _, _ := hurried(t, config(), never, never, never, never, nil, route("PUT /thing", httpx.Public(), swallow), route("GET /thing", httpx.Public()))
	put10 := strings.Replace(putThing, "HTTP/1.1", "HTTP/1.0", 1) + "Connection: keep-alive\r\n"
	for _, row := range []struct{ what, text, status string }{
		{"a length and chunks", putThing + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "200"},
		{"chunks and a length", putThing + "transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n", "200"},
		{"a length and folded chunks", putThing + "Content-Length: 5\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", "200"},
		{"a length and chunks in HTTP/1.0", put10 + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "200"},
		{"two lengths that differ", putThing + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", "400"},
		{"a list of lengths", putThing + "Content-Length: 1, 1\r\n\r\nx", "400"},
		{"a signed length", putThing + "Content-Length: +1\r\n\r\nx", "400"},
		{"chunks", putThing + "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", "200"},
		{"chunks with an extension", putThing + "Transfer-Encoding: chunked\r\n\r\n1;a=\"\n\"\r\nx\r\n0\r\n\r\n", "400"},
		{"chunks twice", putThing + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "501"},
		{"another coding", putThing + "Transfer-Encoding: identity\r\n\r\n", "501"},
		{"chunks in HTTP/1.0", put10 + "Transfer-Encoding: chunked\r\n\r\n", "200"},
		{"a space before the colon", putThing + "Content-Length : 1\r\n\r\nx", "400"},
		{"a host with a path", "GET /api/v1/thing HTTP/1.1\r\nHost: x/y z\r\n\r\n", "400"},
		{"two hosts", putThing + "Host: y\r\n\r\n", "400"},
	} {
		for _, slowly := range []bool{false, true} {
			got, closed := statuses(t, s, row.text+getThing, slowly)
			if len(got) != 1 || got[0] != row.status || !closed {
				t.Errorf("%s: %v, closed %v, want %s and the end", row.what, got, closed, row.status)
			}
		}
	}
}

func TestFraming_WhatIsReadInOneWayKeepsTheConnection(t *testing.T) {
	t.Parallel()
	s, _, _ := hurried(t, config(), never, never, never, never, nil, route("PUT /thing", httpx.Public(), swallow), route("GET /thing", httpx.Public()))
	// A body that looks like a head is none.
	body := "PUT /x HTTP/1.1\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, row := range []struct{ what, text, statuses string }{
		{"a body like a head", fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", putThing, len(body), body), "200 204"},
		{"no length", getThing, "204 204"},
		{"a length of nothing", strings.TrimSuffix(getThing, "\r\n") + "Content-Length: 0\r\n\r\n", "204 204"},
		{"no such route", strings.Replace(putThing, "thing", "nothing", 1) + "Content-Length: 1\r\n\r\nx", "404 204"},
		{"one length twice", putThing + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", "200 204"},
		{"a folded length", putThing + "Content-Length:\r\n 1\r\n\r\nx", "200 204"},
		{"bare line feeds", strings.ReplaceAll(putThing, "\r", "") + "Content-Length: 1\n\nx", "200 204"},
		{"the absolute form", "GET http://x/api/v1/thing HTTP/1.1\r\nHost: x\r\n\r\n", "204 204"},
	} {
		for _, slowly := range []bool{false, true} {
			if got, closed := statuses(t, s, row.text+getThing, slowly); strings.Join(got, " ") != row.statuses || closed {
				t.Errorf("%s: %v, closed %v", row.what, got, closed)
			}
		}
	}
}

func TestConnections_AnAddressHasSoManyAndATrustedProxyAnyNumber(t *testing.T) {
	t.Parallel()
	greet := func(conn net.Conn) error {
		io.WriteString(conn, "GET /api/v1/thing HTTP/1.1\r\nHost: x\r\n\r\n")
		_, err := conn.Read(make([]byte, 1))
		return err
	}
	for _, trusted := range []bool{false, true} {
		cfg := config()
		if trusted {
			cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		}
		s := limited(t, cfg, 1000, route("GET /thing", httpx.Public()))
		s.HTTPX.Narrow(2, 100, 100, 100)
		first, second, third := dial(t, s), dial(t, s), dial(t, s)
		if greet(first) != nil || greet(second) != nil {
			t.Error("two connections are not served")
		}
		if err := greet(third); (err == nil) != trusted {
			t.Errorf("trusted %v: the third connection: %v", trusted, err)
		}
		first.Close()
		second.Close()
		third.Close()
		for greet(dial(t, s)) != nil {
			continue // until the server has seen that they are closed
		}
	}
}
