package httpx_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"homebase/httpx"
	"homebase/httpx/httpxtest"
)

func sayAddr(w http.ResponseWriter, r *http.Request) error {
	addr := httpx.ClientAddr(r.Context())
	if !addr.IsValid() {
		return say(w, "none")
	}
	return say(w, addr.String())
}

func TestClientAddr_IsBelievedOfTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	cfg := config()
	routes := []httpx.Route{route("GET /addr", httpx.Public(), text(sayAddr))}
	direct := httpxtest.Start(t, cfg, routes).Client(t)
	cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.1.0.0/16")}
	proxied := httpxtest.Start(t, cfg, routes).Client(t)
	many := strings.Repeat("6.6.6.6, ", 300)
	for _, row := range []struct {
		realIP, forwarded, want string
	}{
		{"", "", "none"}, // the proxy's own would be everyone's
		{"203.0.113.9", "", "203.0.113.9"},
		{"203.0.113.9", "198.51.100.1", "198.51.100.1"}, // the first may be the client's own
		{"", "203.0.113.9", "203.0.113.9"},
		{"", "6.6.6.6, 203.0.113.9", "203.0.113.9"},             // the left is the client's word
		{"", "127.0.0.1, 203.0.113.9", "203.0.113.9"},           // also when it claims to be local
		{"", "203.0.113.9, 10.1.0.7", "203.0.113.9"},            // through two proxies
		{"10.1.0.7", "203.0.113.9, 10.1.0.7", "203.0.113.9"},    // the inner one knows only the outer
		{"", many + "203.0.113.9", "203.0.113.9"},               // 301 entries
		{"", "unknown, 203.0.113.9", "203.0.113.9"},             //
		{"", "203.0.113.9, unknown", "none"},                    // nobody to believe
		{"", "203.0.113.9, unknown, 10.1.0.7", "none"},          //
		{"fe80::1%eth0", "", "none"},                            // a zone means nothing here
		{"", "2001:db8::1", "2001:db8::1"},                      //
		{"", "[2001:db8::1]:4711", "2001:db8::1"},               // some proxies write the port
		{"::ffff:203.0.113.9", "", "203.0.113.9"},               //
		{"not an address", "203.0.113.9", "203.0.113.9"},        //
		{"0.0.0.0", "203.0.113.9", "203.0.113.9"},               //
		{"", "10.1.0.8, 10.1.0.7", "10.1.0.8"},                  // all trusted: the first began it
		{"", ",", "none"}, {"", ", 203.0.113.9", "203.0.113.9"}, //
	} {
		headers := []httpxtest.Option{}
		if row.realIP != "" {
			headers = append(headers, httpxtest.WithHeader("X-Real-IP", row.realIP))
		}
		if row.forwarded != "" {
			headers = append(headers, httpxtest.WithHeader("X-Forwarded-For", row.forwarded))
		}
		if a := proxied.Do("GET", "/addr", nil, headers...).Want(t, 200); string(a.Body) != row.want {
			t.Errorf("%+.60v: got %s", row, a.Body)
		}
		if a := direct.Do("GET", "/addr", nil, headers...).Want(t, 200); string(a.Body) != "127.0.0.1" {
			t.Errorf("%+.60v without a proxy: got %s", row, a.Body)
		}
	}
	twice := httpxtest.WithHeader("X-Real-IP", "203.0.113.8", "203.0.113.9")
	if a := proxied.Do("GET", "/addr", nil, twice, httpxtest.WithHeader("X-Forwarded-For", "6.6.6.6", "203.0.113.7, 10.1.0.7")); string(a.Body) != "203.0.113.7" {
		t.Errorf("two headers of each: got %s", a.Body)
	}
	empty := httpxtest.WithHeader("X-Forwarded-For", "", "203.0.113.7")
	if a := proxied.Do("GET", "/addr", nil, empty, httpxtest.WithHeader("X-Real-IP", "6.6.6.6")); string(a.Body) != "203.0.113.7" {
		t.Errorf("an empty line of the client's before the proxy's: got %s", a.Body)
	}
}

// TestClientAddr_OtherPeersAreRefused calls the handler itself: a test has no
// second machine to connect from.
func TestClientAddr_OtherPeersAreRefused(t *testing.T) {
	t.Parallel()
	cfg := config()
	cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
	var log bytes.Buffer
	cfg.Log = slog.New(slog.NewJSONHandler(&log, nil))
	server, err := httpx.New(cfg, []httpx.Route{route("GET /addr", httpx.Public(), text(sayAddr))})
	if err != nil {
		t.Fatal(err)
	}
	for peer, want := range map[string]string{
		"10.1.0.7:4711": "203.0.113.9", "127.0.0.1:4711": "127.0.0.1", "[::1]:4711": "::1", "[::ffff:10.1.0.7]:4711": "203.0.113.9",
		"10.2.0.7:4711": "untrusted_peer", "203.0.113.1:4711": "untrusted_peer", "[2001:db8::1]:4711": "untrusted_peer",
	} {
		r := httptest.NewRequest("GET", "/api/v1/addr", nil)
		r.RemoteAddr = peer
		r.Header.Set("X-Forwarded-For", "203.0.113.9")
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		if !strings.Contains(w.Body.String(), want) || (w.Code == 403) != (want == "untrusted_peer") {
			t.Errorf("%s: %d %s", peer, w.Code, w.Body)
		}
		addr := netip.MustParseAddrPort(peer).Addr().String()
		if w.Code == 403 && !strings.Contains(log.String(), `"client":"`+addr+`"`) {
			t.Errorf("the log does not say that %s was refused: %s", addr, &log)
		}
	}
}
