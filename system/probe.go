package system

import (
	"crypto/rand"
	"encoding/binary"
	"io"
	"net/http"
	"time"

	"homebase/auth"
	"homebase/httpx"
)

// The probe tells `homebase doctor`, through the public URL, how its request looked when
// it arrived. It answers nobody else: the token is made with the platform's secret
// and valid for two minutes.

// Seen is how a request looked when it arrived.
type Seen struct {
	RequestID    string `json:"request_id"` // if it comes twice, something cached the answer
	Peer         string `json:"peer"`       // who connected
	Client       string `json:"client"`     // who the server thinks the client is
	ClientKnown  bool   `json:"client_known"`
	ProxyTrusted bool   `json:"proxy_trusted"`
	ForwardedFor string `json:"forwarded_for"`
	RealIP       string `json:"real_ip"`
	// Authorization and Cookie say whether those of the doctor arrived.
	Authorization bool `json:"authorization"`
	Cookie        bool `json:"cookie"`
	// BodySeconds is how long the body took to arrive after the headers.
	BodyBytes   int64   `json:"body_bytes"`
	BodySeconds float64 `json:"body_seconds"`
}

const (
	probePurpose = "probe"
	probeHeader  = "X-Homebase-Probe"
	probeCookie  = "__Host-probe"
	probeFor     = 2 * time.Minute
	// probePause is how long the doctor pauses in the middle of a body, and the
	// server in the middle of a stream: what was buffered arrives without a pause.
	probePause = 1500 * time.Millisecond
	// probeRead bounds what is read of a body; one that announces more is not read
	// at all.
	probeRead = 16 << 20
)

// newProbeToken is the signed time until which probes are answered.
func newProbeToken(keys [][]byte, until time.Time) string {
	return auth.Sign(keys, binary.BigEndian.AppendUint64(nil, uint64(until.Unix())))
}

func (s *System) knowsProbe(r *http.Request) bool {
	until, ok := auth.Signed(s.Keys(probePurpose), r.Header.Get(probeHeader), 8)
	if !ok {
		return false
	}
	// A token that expires far in the future would be valid for too long.
	left := time.Until(time.Unix(int64(binary.BigEndian.Uint64(until)), 0))
	return left > 0 && left <= 2*probeFor
}

// probe serves both routes.
func (s *System) probe(w http.ResponseWriter, r *http.Request) error {
	if !s.knowsProbe(r) {
		return httpx.ErrNotFound
	}
	if r.URL.Query().Has("stream") {
		return streamProbe(w, r)
	}
	ctx := r.Context()
	_, err := r.Cookie(probeCookie)
	seen := Seen{
		RequestID: httpx.RequestID(ctx), Peer: r.RemoteAddr, ClientKnown: httpx.ClientNetwork(ctx).IsValid(), ProxyTrusted: httpx.FromProxy(ctx),
		ForwardedFor: r.Header.Get("X-Forwarded-For"), RealIP: r.Header.Get("X-Real-Ip"),
		Authorization: r.Header.Get("Authorization") != "", Cookie: err == nil,
	}
	if addr := httpx.ClientAddr(ctx); addr.IsValid() {
		seen.Client = addr.String()
	}
	began := time.Now()
	if r.ContentLength <= probeRead {
		seen.BodyBytes, err = io.Copy(io.Discard, io.LimitReader(r.Body, probeRead))
		if err != nil {
			return err
		}
		seen.BodySeconds = time.Since(began).Seconds()
	}
	http.SetCookie(w, &http.Cookie{Name: probeCookie, Value: rand.Text(), Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: 60})
	return httpx.WriteJSON(w, http.StatusOK, seen)
}

// streamProbe sends two events with a pause between them.
func streamProbe(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "text/event-stream")
	for i, event := range []string{"first", "second"} {
		if i > 0 {
			select {
			case <-time.After(probePause):
			case <-r.Context().Done():
				return r.Context().Err()
			}
		}
		if _, err := io.WriteString(w, "data: "+event+"\n\n"); err != nil {
			return err
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			return err
		}
	}
	return nil
}
