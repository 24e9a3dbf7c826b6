package gate

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"slices"
	"strings"
	"time"

	"homebase/audit"
	"homebase/auth"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	requestPurpose = "gate request"
	requestGood    = 10 * time.Minute
	requestHead    = 8 + 16 + browserMark // before the address
	codeGood       = time.Minute
	// addressLongest bounds a Location that nginx takes in one of its buffers;
	// who wanted a longer address arrives at the host's first page.
	addressLongest = 1500 // bytes

	// beginCookie recognises the browser in which a way in began. Without it a
	// code of somebody's own session, slipped to another person, would sign that
	// person in as them, to fill in what they then read.
	beginCookie   = "__Host-hb-begin"
	beginLifetime = 180 * 24 * time.Hour
	browserMark   = 16
)

// mark is what is kept and signed of a browser.
func mark(begin string) []byte {
	return auth.Digest(begin)[:browserMark]
}

// signIn refuses a request without a living session, and where a page was asked
// for says where to get one. All tabs share the browser's mark, which is why it
// lasts; only of those that come at once for the first time, one gets in.
func (g *Gate) signIn(r *http.Request, host *Host, address string) *httpx.Problem {
	refusal := *errSignIn
	refusal.Header = nil
	if !navigates(r.Header) || strings.HasPrefix(address, ownPaths) {
		return &refusal // the callback itself should have been passed on: no way in leads through it
	}
	if len(address) > addressLongest {
		address = "/"
	}
	refusal.Header = map[string]string{}
	begin, err := auth.CookieValue(r, beginCookie)
	if err != nil || begin == "" {
		begin = rand.Text()
		refusal.Header["Set-Cookie"] = hostCookie(beginCookie, begin, beginLifetime)
	}
	id := g.requestID(host.ID, mark(begin), address, time.Now().Add(requestGood))
	refusal.Header["Location"] = g.cfg.AccountURL + "#action=gate&request=" + id
	return &refusal
}

// requestID is the signed value expiry in Unix seconds (8) | host (16) | browser
// (16) | address.
func (g *Gate) requestID(host uuid.UUID, browser []byte, address string, until time.Time) string {
	value := binary.BigEndian.AppendUint64(nil, uint64(until.Unix()))
	value = slices.Concat(value, host[:], browser, []byte(address))
	return auth.Sign(g.cfg.Keys(requestPurpose), value)
}

// request is what a browser brings to the account page.
type request struct {
	host    *Host
	browser []byte
	address string
	expires time.Time
}

// request reads one: ErrNotFound when it is not ours, too old, or its host is
// gone.
func (g *Gate) request(c *httpx.Call) (q request, err error) {
	text := c.PathValue("request")
	length := base64.RawURLEncoding.DecodedLen(len(text)) - sha256.Size
	if length <= requestHead {
		return q, httpx.ErrNotFound
	}
	value, ok := auth.Signed(g.cfg.Keys(requestPurpose), text, length)
	if !ok {
		return q, httpx.ErrNotFound
	}
	q.expires = time.Unix(int64(binary.BigEndian.Uint64(value)), 0).UTC()
	q.browser, q.address = value[24:requestHead], string(value[requestHead:])
	hosts, err := g.hosts.Get(c.Context())
	for _, h := range hosts {
		if h.ID == uuid.UUID(value[8:24]) {
			q.host = h
		}
	}
	if err == nil && (q.host == nil || time.Now().After(q.expires)) {
		err = httpx.ErrNotFound
	}
	return q, err
}

// Request is what the account page is told of a request.
type Request struct {
	Host      string    `json:"host"`
	Name      string    `json:"name"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Approval is the body of POST /auth/gate/requests/{request}.
type Approval struct {
	Approve bool `json:"approve"`
}

// Next is where the page goes, and to nowhere else.
type Next struct {
	RedirectTo string `json:"redirect_to"`
}

var errCode = httpx.NewProblem(http.StatusGone, "gate_code_invalid", "This way in is no longer open").
	With("It works once, within a minute, in the browser in which it began. Go back to the page that you wanted.")

func (g *Gate) admissionRoutes() []httpx.Route {
	missing := httpx.Problems{httpx.ErrNotFound}
	return []httpx.Route{
		{Pattern: "GET /auth/gate/requests/{request}", Access: httpx.Public(), Rate: httpx.RateRead,
			Summary: "Which guarded host a person wants, for the account page", Do: httpx.Answers(g.getRequest), Problems: missing},
		{Pattern: "POST /auth/gate/requests/{request}", Access: httpx.SignedIn(), Rate: httpx.RateWrite, Body: 4 << 10,
			Summary: "Go through to a guarded host; says where the page goes next", Do: httpx.JSON(g.postRequest), Problems: missing},
		{Pattern: "GET /auth/gate/callback", Access: httpx.Public(), Rate: httpx.RateRead, Query: []string{"code"},
			Headers: []string{"X-Original-URL", "X-Original-Method", "X-Forwarded-Host", "X-Forwarded-Proto"},
			Summary: "Change a code for a guarded host's cookie: what nginx serves there as /.homebase/callback",
			Handler: g.getCallback, Problems: httpx.Problems{errCode, httpx.ErrForbidden},
			Responses: []httpx.Response{{Status: http.StatusSeeOther, Headers: []string{"Location", "Set-Cookie"}}}},
	}
}

// getRequest serves GET /auth/gate/requests/{request}.
func (g *Gate) getRequest(c *httpx.Call) (Request, error) {
	q, err := g.request(c)
	if err != nil {
		return Request{}, err
	}
	return Request{q.host.Host, q.host.Name, q.expires}, nil
}

// postRequest serves POST /auth/gate/requests/{request}. Who does not want to go
// through does not answer.
func (g *Gate) postRequest(c *httpx.Call, in Approval) (Next, error) {
	if !in.Approve {
		return Next{}, httpx.Invalid("#/approve", "invalid", "There is only true: who does not want to go on closes the page.")
	}
	q, err := g.request(c)
	if err != nil {
		return Next{}, err
	}
	if !auth.Admits(q.host.Roles, c.Caller.Roles) {
		return Next{}, errRole
	}
	code, err := g.issue(c.Context(), q, c.Caller.SessionID)
	return Next{"https://" + q.host.Host + ownPaths + "callback?code=" + code}, err
}

// issue gives a code, and forgets the session's old ones. A session that ended
// meanwhile gets none: ErrUnauthenticated.
func (g *Gate) issue(ctx context.Context, q request, session uuid.UUID) (code string, err error) {
	code = rand.Text()
	return code, db.Touch(ctx, g.cfg.DB, httpx.ErrUnauthenticated, `
-- name: gate.InsertCode
WITH forgotten AS (DELETE FROM gate_codes WHERE session_id = $3 AND expires_at < now())
INSERT INTO gate_codes (hash, host_id, session_id, browser, address, expires_at)
SELECT $1, h.id, s.id, $4, $5, now() + $6::interval
  FROM sessions s JOIN users u ON u.id = s.user_id CROSS JOIN gate_hosts h
 WHERE s.id = $3 AND h.id = $2 AND `+auth.LivingSession+`
   FOR KEY SHARE OF s, h`, auth.Digest(code), q.host.ID, session, q.browser, q.address, codeGood)
}

// getCallback serves GET /auth/gate/callback, as the guarded host's own address.
// Of several that bring one code, one is let through.
func (g *Gate) getCallback(w http.ResponseWriter, r *http.Request) error {
	host, _, err := g.asked(r)
	if err != nil {
		return err
	}
	begin, _ := auth.CookieValue(r, beginCookie) // two of them are none
	ctx := r.Context()
	var session, user uuid.UUID
	var address string
	err = auth.Recorded(ctx, g.cfg.DB, g.cfg.Audit, func(tx pgx.Tx) (audit.Event, error) {
		_, err := db.One(ctx, tx, func(row pgx.Row) (any, error) { return nil, row.Scan(&session, &user, &address) }, `
-- name: gate.UseCode
DELETE FROM gate_codes c
 USING sessions s JOIN users u ON u.id = s.user_id
 WHERE c.hash = $1 AND c.host_id = $2 AND c.browser = $3 AND c.expires_at > now()
   AND s.id = c.session_id AND `+auth.LivingSession+`
RETURNING s.id, u.id, c.address`, auth.Digest(r.URL.Query().Get("code")), host.ID, mark(begin))
		return audit.Event{Actor: audit.Actor{User: user, Session: session}, Action: audit.GateEntered, Target: host.ID}, auth.NoRow(err, errCode)
	})
	if err != nil {
		return err
	}
	w.Header().Set("Set-Cookie", g.cookie(host, session))
	w.Header().Set("Location", "https://"+host.Host+address)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}
