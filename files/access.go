package files

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Which tree a request is about, and what the caller may do in it, is decided
// here for every route, and once more before a change is committed.
//
// Roles are known in memory by the rules of the session cache (db.Kept): whoever
// changes them forgets them on every worker, and nothing is believed while the
// notifications of a change may not arrive. So a request to a space asks the
// database no more than one to the caller's own tree.

// role is what somebody may do in a tree.
type role string

const (
	viewer  role = "viewer"  // read
	editor  role = "editor"  // write and share too
	manager role = "manager" // say who is a member too
)

// roles rise.
var roles = []role{viewer, editor, manager}

// includes reports whether a role is another one or more; "" is none.
func (r role) includes(other role) bool { return slices.Index(roles, r) >= slices.Index(roles, other) }

// members are the roles of everybody who has one: by person and space.
type members map[uuid.UUID]map[uuid.UUID]role

// membersChannel is where workers tell each other that members have changed.
const membersChannel = "files_members"

func readMembers(q db.Querier) func(ctx context.Context) (members, error) {
	const sql = `-- name: files.Members
		SELECT m.user_id, m.space_id, m.role FROM space_members m`
	return func(ctx context.Context) (members, error) {
		all := members{}
		_, err := db.All(ctx, q, func(row pgx.Row) (_ struct{}, err error) {
			var user, space uuid.UUID
			var r role
			if err = row.Scan(&user, &space, &r); err == nil && all[user] == nil {
				all[user] = map[uuid.UUID]role{}
			}
			if err == nil {
				all[user][space] = r
			}
			return struct{}{}, err
		}, sql)
		return all, err
	}
}

// visit is a request to a tree.
type visit struct {
	owner uuid.UUID
	root  uuid.UUID
}

type visitKey struct{}

// visitOf is the visit of a request that has entered a tree.
func visitOf(ctx context.Context) visit {
	v, _ := ctx.Value(visitKey{}).(visit)
	return v
}

// enter opens an owner's tree for the caller of ctx, who must have a role in
// it. What follows finds the visit in the context that it returns.
func (ts *trees) enter(ctx context.Context, owner uuid.UUID, need role) (context.Context, visit, error) {
	if err := ts.vol.inPlace(); err != nil {
		return ctx, visit{}, err
	}
	if err := ts.may(ctx, owner, need); err != nil {
		return ctx, visit{}, err
	}
	root, err := ts.rootOf(ctx, owner)
	if errors.Is(err, db.ErrNotFound) && owner == httpx.CallerOf(ctx).UserID {
		err = httpx.ErrUnauthenticated.Because(err) // deleted meanwhile
	}
	v := visit{owner, root}
	return context.WithValue(ctx, visitKey{}, v), v, err
}

// may is nil when the caller of ctx has the role in an owner's tree now. Whoever
// has none there does not learn that it exists.
func (ts *trees) may(ctx context.Context, owner uuid.UUID, need role) error {
	caller := httpx.CallerOf(ctx)
	if owner == caller.UserID {
		return nil
	}
	all, err := ts.members.Get(ctx)
	if err != nil {
		return err
	}
	switch has := all[caller.UserID][owner]; {
	case has == "":
		return httpx.ErrNotFound
	case !has.includes(need):
		return httpx.ErrForbidden.With("In this space you are a " + string(has) + ", and this takes a role of " + string(need) + " or more.")
	}
	return nil
}

// still judges the caller of ctx once more: the permission, and the role in the
// tree of the visit.
func (ts *trees) still(ctx context.Context, permission string, need role) error {
	if err := ts.auth.Still(ctx, permission); err != nil {
		return err
	}
	return ts.may(ctx, visitOf(ctx).owner, need)
}

// which says whose tree a request is about.
type which func(r *http.Request) (uuid.UUID, error)

// named is the space in ?space=, or the caller's own tree.
func (ts *trees) named(r *http.Request) (uuid.UUID, error) {
	if r.URL.RawQuery == "" || !r.URL.Query().Has("space") {
		return httpx.CallerOf(r.Context()).UserID, nil
	}
	return parseSpace(r.URL.Query().Get("space"))
}

// parseSpace reads the id of a space. One that cannot be is not found.
func parseSpace(s string) (uuid.UUID, error) {
	id, err := uuid.Parse(s)
	if err != nil || id.String() != s {
		return id, httpx.ErrNotFound
	}
	return id, nil
}

// holding is the tree of the item that the wildcard {id} names. What is in no
// tree that the caller knows is looked for in their own, and not found there.
func (ts *trees) holding(r *http.Request) (uuid.UUID, error) {
	own := httpx.CallerOf(r.Context()).UserID
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil { // "root", or nothing that is an id
		return own, nil
	}
	owner, err := ts.ownerOf(r.Context(), id)
	if owner == uuid.Nil {
		owner = own
	}
	return owner, err
}

// ownerOf is the owner of the tree that an item lies in, also in its trash;
// uuid.Nil where the caller has no role. No item goes from one tree to another,
// so what was found holds for good.
func (ts *trees) ownerOf(ctx context.Context, item uuid.UUID) (uuid.UUID, error) {
	const sql = `-- name: files.TreeOfItem
		SELECT i.owner_id FROM items i WHERE i.id = $1`
	own := httpx.CallerOf(ctx).UserID
	all, err := ts.members.Get(ctx)
	if err != nil || len(all[own]) == 0 {
		return own, err // there is nowhere else to look
	}
	owner, ok := ts.owners.get(item)
	if !ok {
		if owner, err = db.One(ctx, ts.db, db.Value[uuid.UUID], sql, item); err != nil {
			return uuid.Nil, ignoreNotFound(err)
		}
		ts.owners.put(item, owner)
	}
	if owner != own && all[own][owner] == "" {
		owner = uuid.Nil
	}
	return owner, nil
}

// in and at are what a typed handler is behind: they open the tree that holds the
// item, or that is named, for whoever has the role.
func (ts *trees) in(need role) func(c *httpx.Call) error { return ts.open(ts.holding, need) }

func (ts *trees) at(need role) func(c *httpx.Call) error { return ts.open(ts.named, need) }

// open opens the tree of a typed handler's request. The id "root" is that of
// the tree's root.
func (ts *trees) open(of which, need role) func(c *httpx.Call) error {
	return func(c *httpx.Call) error {
		owner, err := of(c.Request)
		if err != nil {
			return err
		}
		ctx, v, err := ts.enter(c.Context(), owner, need)
		c.Request = c.WithContext(ctx)
		if c.PathValue("id") == "root" {
			c.ID = v.root
		}
		return err
	}
}

// visitor opens the tree of the request of a handler of bytes.
func (ts *trees) visitor(of which, need role, h func(w http.ResponseWriter, r *http.Request, v visit) error) httpx.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		owner, err := of(r)
		if err != nil {
			return err
		}
		ctx, v, err := ts.enter(r.Context(), owner, need)
		if err != nil {
			return err
		}
		return h(w, r.WithContext(ctx), v)
	}
}

// around enters the tree of an item that a body names.
func (ts *trees) around(ctx context.Context, item uuid.UUID, need role) (context.Context, visit, error) {
	owner, err := ts.ownerOf(ctx, item)
	if err != nil {
		return ctx, visit{}, err
	}
	if owner == uuid.Nil {
		owner = httpx.CallerOf(ctx).UserID
	}
	return ts.enter(ctx, owner, need)
}
