package gate

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
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
	hostsMost    = 200 // they are kept in memory
	hostLongest  = 253 // of a name in the DNS
	hostsChannel = "gate_hosts"
)

// Host is a guarded host. Host is its name as browsers have it: in lower case,
// without the port where that is 443.
type Host struct {
	ID        uuid.UUID `json:"id"`
	Host      string    `json:"host"`
	Name      string    `json:"name"`
	Roles     []string  `json:"roles"`    // who is let through; empty: everybody
	Identify  bool      `json:"identify"` // the program is told who comes
	Revision  int64     `json:"revision"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`

	bound []byte // binding, where the host is kept
}

// ETag is for httpx.
func (h Host) ETag() string { return httpx.RevisionTag(h.Revision) }

func (h Host) key() uuid.UUID { return h.ID }

// binding is of this host under this name: of another that gets the name later
// it is not.
func (h Host) binding() []byte { return append(h.ID[:], h.Host...) }

const hostColumns = `h.id, h.host, h.name, h.roles, h.identify, h.revision, h.created_at, h.updated_at`

var scanHost = db.RowOf(func(h *Host) []any {
	return []any{&h.ID, &h.Host, &h.Name, &h.Roles, &h.Identify, &h.Revision, &h.CreatedAt, &h.UpdatedAt}
})

// NewHost is the body of POST /auth/gate/hosts.
type NewHost struct {
	Host     string   `json:"host"`
	Name     string   `json:"name"`
	Roles    []string `json:"roles,omitempty" most:"100"`
	Identify bool     `json:"identify,omitempty"`
}

// HostPatch is the body of PATCH /auth/gate/hosts/{id}, a merge patch.
type HostPatch struct {
	Host     httpx.Optional[string]   `json:"host"`
	Name     httpx.Optional[string]   `json:"name"`
	Roles    httpx.Optional[[]string] `json:"roles" most:"100"`
	Identify httpx.Optional[bool]     `json:"identify"`
}

var (
	errTooManyHosts = httpx.NewProblem(409, "too_many_hosts", "There are too many guarded hosts").
			With(fmt.Sprintf("There can be %d; delete one that is no longer used.", hostsMost))
	errHostTaken = httpx.NewProblem(409, "host_taken", "This host is guarded already")
)

func (g *Gate) hostRoutes() []httpx.Route {
	manages := httpx.Needs(auth.UsersManage).OrOperator()
	missing := httpx.Problems{httpx.ErrNotFound}
	return []httpx.Route{
		{Pattern: "GET /auth/gate/hosts", Access: manages.NoKey(), Rate: httpx.RateRead,
			Summary: "The guarded hosts, the oldest first", Do: httpx.Pages(g.listHosts, Host.key)},
		{Pattern: "POST /auth/gate/hosts", Access: manages.Recent(), Rate: httpx.RateWrite, Body: 64 << 10,
			Summary: "Guard a host", Do: httpx.JSON(g.postHost).Creates(), Problems: httpx.Problems{errTooManyHosts, errHostTaken}},
		{Pattern: "GET /auth/gate/hosts/{id}", Access: manages.NoKey(), Rate: httpx.RateRead,
			Summary: "A guarded host", Do: httpx.Answers(g.getHost), Problems: missing},
		{Pattern: "PATCH /auth/gate/hosts/{id}", Access: manages.Recent(), Rate: httpx.RateWrite, Body: 64 << 10,
			Summary: "Change a guarded host, or who is let through", Do: httpx.JSON(g.patchHost),
			Problems: missing.And(httpx.ErrPreconditionFailed, errHostTaken)},
		{Pattern: "DELETE /auth/gate/hosts/{id}", Access: manages.Recent(), Rate: httpx.RateWrite,
			Summary: "Close a guarded host to everybody", Do: httpx.Acts(g.deleteHost), Problems: missing},
	}
}

// readHosts reads all hosts, by what browsers call them.
func (g *Gate) readHosts(ctx context.Context) (map[string]*Host, error) {
	list, err := db.All(ctx, g.cfg.DB, scanHost, `
-- name: gate.AllHosts
SELECT `+hostColumns+` FROM gate_hosts h`)
	hosts := make(map[string]*Host, len(list))
	for _, h := range list {
		h.bound = h.binding()
		hosts[h.Host] = &h
	}
	return hosts, err
}

// change makes what fn does to the hosts hold on every worker: on this one
// before it answers, on the others with the commit.
func (g *Gate) change(ctx context.Context, fn func(tx pgx.Tx) (audit.Event, error)) error {
	err := auth.Recorded(ctx, g.cfg.DB, g.cfg.Audit, func(tx pgx.Tx) (audit.Event, error) {
		event, err := fn(tx)
		if err == nil {
			err = db.Notify(ctx, tx, hostsChannel, "")
		}
		return event, err
	})
	g.hosts.Forget()
	return err
}

// check refuses what cannot be guarded.
func (g *Gate) check(ctx context.Context, q db.Querier, h *Host) error {
	var f httpx.Fields
	h.Host = canonical(h.Host)
	if why := g.hostFault(h.Host); why != "" {
		f.Add("#/host", "invalid", why)
	}
	return errors.Join(auth.CheckProgram(ctx, q, &f, h.Name, h.Roles), f.Err())
}

var label = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// canonical is an authority as browsers compare it: ASCII alone has an upper
// case here, and 443 goes without saying.
func canonical(authority string) string {
	lower := func(c rune) rune {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		return c
	}
	return strings.TrimSuffix(strings.Map(lower, authority), ":443")
}

// hostFault says what is wrong with a host. A browser sends a host's cookies to
// all of its ports, so a name is the API's, a frontend's or guarded whatever the
// port.
func (g *Gate) hostFault(host string) string {
	name, port, hasPort := strings.Cut(host, ":")
	number, err := strconv.Atoi(port)
	switch {
	case len(name) > hostLongest || slices.ContainsFunc(strings.Split(name, "."), func(l string) bool { return !label.MatchString(l) }):
		return "Give the name alone, as in \"grafana.example.com\": no address, no path, and an international name in its ASCII form (xn--…)."
	case hasPort && (err != nil || strconv.Itoa(number) != port || number < 1 || number > 65535):
		return "A port is a number from 1 to 65535."
	case slices.Contains(g.own, name):
		return "The API and its frontends sign people in themselves, and cannot be guarded."
	}
	return ""
}

// listHosts serves GET /auth/gate/hosts.
func (g *Gate) listHosts(c *httpx.Call, k httpx.Keyset[uuid.UUID]) ([]Host, error) {
	return db.All(c.Context(), g.cfg.DB, scanHost, `
-- name: gate.Hosts
SELECT `+hostColumns+` FROM gate_hosts h WHERE h.id > $1 ORDER BY h.id LIMIT $2`, k.After(uuid.Nil), k.Limit)
}

// getHost serves GET /auth/gate/hosts/{id}.
func (g *Gate) getHost(c *httpx.Call) (Host, error) {
	return db.One(c.Context(), g.cfg.DB, scanHost, `
-- name: gate.Host
SELECT `+hostColumns+` FROM gate_hosts h WHERE h.id = $1`, c.ID)
}

// postHost serves POST /auth/gate/hosts.
func (g *Gate) postHost(c *httpx.Call, in NewHost) (h Host, err error) {
	h = Host{Host: in.Host, Name: in.Name, Roles: in.Roles, Identify: in.Identify}
	ctx := c.Context()
	err = g.change(ctx, func(tx pgx.Tx) (event audit.Event, err error) {
		if err := g.check(ctx, tx, &h); err != nil {
			return event, err
		}
		if err := db.Below(ctx, tx, errTooManyHosts, hostsMost, "gate_hosts", "true"); err != nil {
			return event, err
		}
		h, err = db.One(ctx, tx, scanHost, `
-- name: gate.InsertHost
INSERT INTO gate_hosts AS h (id, host, name, roles, identify)
VALUES ($1, $2, $3, coalesce($4::text[], '{}'), $5)
RETURNING `+hostColumns, uuid.Must(uuid.NewV7()), h.Host, h.Name, h.Roles, h.Identify)
		return audit.Event{Action: audit.GateHostCreated, Target: h.ID}, err
	})
	c.Created("/auth/gate/hosts/" + h.ID.String())
	return h, err
}

// patchHost serves PATCH /auth/gate/hosts/{id}. If-Match guards against a change
// made meanwhile. Cookies of another name are worth nothing at the new one.
func (g *Gate) patchHost(c *httpx.Call, in HostPatch) (h Host, err error) {
	ctx := c.Context()
	err = g.change(ctx, func(tx pgx.Tx) (event audit.Event, err error) {
		h, err = db.One(ctx, tx, scanHost, `
-- name: gate.LockHost
SELECT `+hostColumns+` FROM gate_hosts h WHERE h.id = $1 FOR NO KEY UPDATE`, c.ID)
		if err == nil {
			err = c.Match(h.Revision)
		}
		if err != nil {
			return event, err
		}
		in.Host.Patch(&h.Host)
		in.Name.Patch(&h.Name)
		in.Roles.Patch(&h.Roles)
		in.Identify.Patch(&h.Identify)
		if err := g.check(ctx, tx, &h); err != nil {
			return event, err
		}
		h, err = db.One(ctx, tx, scanHost, `
-- name: gate.UpdateHost
UPDATE gate_hosts h
   SET host = $2, name = $3, roles = coalesce($4::text[], '{}'), identify = $5, revision = revision + 1, updated_at = now()
 WHERE id = $1
RETURNING `+hostColumns, c.ID, h.Host, h.Name, h.Roles, h.Identify)
		return audit.Event{Action: audit.GateHostUpdated, Target: c.ID}, err
	})
	return h, err
}

// deleteHost serves DELETE /auth/gate/hosts/{id}. The host stays closed: nginx
// goes on asking, and nobody is let through.
func (g *Gate) deleteHost(c *httpx.Call) error {
	ctx := c.Context()
	return g.change(ctx, func(tx pgx.Tx) (audit.Event, error) {
		return audit.Event{Action: audit.GateHostDeleted, Target: c.ID}, db.Touch(ctx, tx, httpx.ErrNotFound, `
-- name: gate.DeleteHost
DELETE FROM gate_hosts WHERE id = $1`, c.ID)
	})
}
