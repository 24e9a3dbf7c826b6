package files

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"

	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
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

// members are those who reach more than their own tree, and whose the items are
// that they asked for. An item stays in its tree; an id that was purged may come
// back in another one with the file that carries it, and then all of this is
// forgotten, as when a role changes.
type members struct {
	reach  map[uuid.UUID]reach            // by person
	owners *bounded[uuid.UUID, uuid.UUID] // by item
}

// reach is where a person gets beside their own tree.
type reach struct {
	user  uuid.UUID
	roles map[uuid.UUID]role // by space
	given bool               // something was shared to them by name once
}

// membersChannel is where workers tell each other that members have changed.
const membersChannel = "files_members"

func (b *base) readMembers(ctx context.Context) (members, error) {
	const sql = `-- name: files.Members
		SELECT p.user_id, jsonb_object_agg(p.space_id, p.role) FILTER (WHERE p.space_id IS NOT NULL), bool_or(p.space_id IS NULL)
		  FROM (SELECT m.user_id, m.space_id, m.role FROM space_members m
		         UNION ALL
		        SELECT s.recipient_id, NULL, '' FROM shares s WHERE s.recipient_id IS NOT NULL) AS p
		 GROUP BY p.user_id`
	list, err := db.All(ctx, b.db, db.RowOf(func(r *reach) []any { return []any{&r.user, &r.roles, &r.given} }), sql)
	all := members{map[uuid.UUID]reach{}, &bounded[uuid.UUID, uuid.UUID]{most: 50_000}}
	for _, r := range list {
		all.reach[r.user] = r
	}
	return all, err
}

// visit is a request to a tree. The zero value is one to nowhere.
type visit struct {
	owner uuid.UUID
	// grant is by what the caller gets there who has no role in the tree: an item
	// that was shared to them by name.
	grant *grant
	root  uuid.UUID // once the tree was entered
	item  uuid.UUID // that a request for bytes names by its wildcard {id}; zero for "root"
	from  *visit    // where what is stored here is copied from
}

type visitKey struct{}

// visitOf is the visit of a request that has entered a tree.
func visitOf(ctx context.Context) visit {
	v, _ := ctx.Value(visitKey{}).(visit)
	return v
}

// within makes what follows a part of the visit.
func (v visit) within(ctx context.Context) context.Context {
	return context.WithValue(ctx, visitKey{}, v)
}

// enter opens a tree for the caller of ctx, who must have a role in it. What
// follows finds the visit in the context that it returns.
func (ts *trees) enter(ctx context.Context, v visit, need role) (context.Context, visit, error) {
	if err := ts.vol.inPlace(); err != nil {
		return ctx, visit{}, err
	}
	err := v.grant.allows(need)
	if v.grant == nil {
		err = ts.may(ctx, v.owner, need)
	}
	if err != nil {
		return ctx, visit{}, err
	}
	v.root, err = ts.rootOf(ctx, v.owner)
	if errors.Is(err, db.ErrNotFound) && v.owner == httpx.CallerOf(ctx).UserID {
		err = httpx.ErrUnauthenticated.Because(err) // deleted meanwhile
	}
	return v.within(ctx), v, err
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
	switch has := all.reach[caller.UserID].roles[owner]; {
	case has == "":
		return httpx.ErrNotFound
	case !has.includes(need):
		return httpx.ErrForbidden.With("In this space you are a " + string(has) + ", and this takes a role of " + string(need) + " or more.")
	}
	return nil
}

// still judges the caller of ctx once more: the permission, and the role in the
// tree of the visit, and in the one that something is copied from.
func (ts *trees) still(ctx context.Context, permission string, need role) error {
	if err := ts.auth.Still(ctx, permission); err != nil {
		return err
	}
	v := visitOf(ctx)
	if v.from != nil {
		if err := ts.still(v.from.within(ctx), mayRead, viewer); err != nil {
			return err
		}
	}
	if v.grant == nil {
		return ts.may(ctx, v.owner, need)
	}
	now, err := ts.grantOn(ctx, v.grant.asked)
	if err == nil {
		err = now.allows(need)
	}
	return err
}

// stillShares is db.ErrNotFound when whose share it is may not share any more, or
// is disabled.
func (ts *trees) stillShares(ctx context.Context, q db.Querier, s *share) error {
	may, err := ts.auth.Holds(ctx, q, s.whose(), s.needs()...)
	if err == nil && may && s.By != nil {
		var all members
		all, err = ts.members.Get(ctx)
		may = all.reach[*s.By].roles[s.Owner].includes(editor)
	}
	if err == nil && !may {
		err = db.ErrNotFound
	}
	return err
}

// home is a visit to the caller's own tree.
func home(ctx context.Context) visit { return visit{owner: httpx.CallerOf(ctx).UserID} }

// named is a visit to the space in ?space=, or to the caller's own tree.
func (ts *trees) named(r *http.Request) (visit, error) {
	if r.URL.RawQuery == "" || !r.URL.Query().Has("space") {
		return home(r.Context()), nil
	}
	id, err := parseID(r.URL.Query().Get("space"))
	return visit{owner: id}, err
}

// parseID reads the id of a space or an item. One that cannot be is not found.
func parseID(s string) (uuid.UUID, error) {
	id, err := uuid.Parse(s)
	if err != nil || id.String() != s {
		return id, httpx.ErrNotFound
	}
	return id, nil
}

// holding is a visit to the tree of the item that the wildcard {id} names.
func (ts *trees) holding(r *http.Request) (visit, error) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil { // "root", or nothing that is an id
		return home(r.Context()), nil
	}
	return ts.holds(r.Context(), id)
}

// holds is a visit to the tree of an item. What lies nowhere that the caller
// reaches is looked for in their own tree, and not found there.
func (ts *trees) holds(ctx context.Context, item uuid.UUID) (visit, error) {
	v, err := ts.find(ctx, item)
	return cmp.Or(v, home(ctx)), err
}

// find is a visit to the tree that an item lies in, also in its trash; to nowhere
// when the caller does not reach it. For whoever reaches no other tree it is their
// own, whether or not the item is there.
func (ts *trees) find(ctx context.Context, item uuid.UUID) (visit, error) {
	const sql = `-- name: files.TreeOfItem
		SELECT i.owner_id FROM items i WHERE i.id = $1`
	user := httpx.CallerOf(ctx).UserID
	all, err := ts.members.Get(ctx)
	mine, elsewhere := all.reach[user]
	if err != nil || !elsewhere {
		return visit{owner: user}, err
	}
	owner, ok := all.owners.get(item)
	if !ok {
		if owner, err = db.One(ctx, ts.db, db.Value[uuid.UUID], sql, item); err != nil {
			return visit{}, ignoreNotFound(err)
		}
		all.owners.put(item, owner)
	}
	if owner == user || mine.roles[owner] != "" {
		return visit{owner: owner}, nil
	}
	if !mine.given {
		return visit{}, nil
	}
	g, err := ts.grantOn(ctx, item)
	if g == nil {
		return visit{}, ignoreNotFound(err)
	}
	return visit{owner: owner, grant: g}, err
}

// in and at are what a typed handler is behind: they open the tree that holds the
// item, or that is named, for whoever has the role.
func (ts *trees) in(need role) func(c *httpx.Call) error { return ts.open(ts.holding, need) }

func (ts *trees) at(need role) func(c *httpx.Call) error { return ts.open(ts.named, need) }

// arrive opens the tree that a request is about.
func (ts *trees) arrive(r *http.Request, of func(*http.Request) (visit, error), need role) (*http.Request, visit, error) {
	v, err := of(r)
	if err != nil {
		return r, v, err
	}
	ctx, v, err := ts.enter(r.Context(), v, need)
	return r.WithContext(ctx), v, err
}

// open opens the tree of a typed handler's request. The id "root" is that of
// the tree's root.
func (ts *trees) open(of func(*http.Request) (visit, error), need role) func(c *httpx.Call) error {
	return func(c *httpx.Call) error {
		r, v, err := ts.arrive(c.Request, of, need)
		if c.Request = r; c.PathValue("id") == "root" {
			c.ID = v.root
		}
		return err
	}
}

// visitor opens the tree of the request of a handler of bytes.
func (ts *trees) visitor(of func(*http.Request) (visit, error), need role, h func(w http.ResponseWriter, r *http.Request, v visit) error) httpx.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		r, v, err := ts.arrive(r, of, need)
		if id := r.PathValue("id"); err == nil && id != "" && id != "root" {
			v.item, err = httpx.PathID(r, "id")
		}
		if err != nil {
			return err
		}
		return h(w, r, v)
	}
}

// enterTreeOf enters the tree of an item that a body names.
func (ts *trees) enterTreeOf(ctx context.Context, item uuid.UUID, need role) (context.Context, visit, error) {
	v, err := ts.holds(ctx, item)
	if err != nil {
		return ctx, visit{}, err
	}
	return ts.enter(ctx, v, need)
}
