package files

import (
	"cmp"
	"context"
	"strings"
	"time"

	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// A grant is a share by name: it lets one user reach one item, and what lies below
// it, in somebody else's tree. It is a row of shares with a recipient and a token
// that nobody was given, and ends as a link does: with the item, with its time, or
// with the right of whose it is. It is looked up for each request, because an item may be
// moved out of what is shared at any time; only people to whom something was
// shared once pay for that.

// grant is a share by name, as its recipient reaches an item by it.
type grant struct {
	share
	asked uuid.UUID // the item that is reached
	path  string    // of the shared item, in its tree
}

// allows refuses what the grant does not; nil allows everything.
func (g *grant) allows(need role) error {
	if g == nil || g.Role.includes(need) {
		return nil
	}
	return httpx.ErrForbidden.With("This was shared to you for reading.")
}

// grantOn finds by what the caller reaches an item of somebody else's, the
// larger role first; db.ErrNotFound when by nothing.
func (ts *trees) grantOn(ctx context.Context, item uuid.UUID) (*grant, error) {
	const sql = `-- name: files.GrantOnItem
		SELECT ` + shareColumns + `, p.path
		  FROM item_up($1) u
		  JOIN shares s ON s.item_id = u.id
		 CROSS JOIN LATERAL item_path(s.item_id) AS p (path)
		 WHERE s.recipient_id = $2 AND (s.expires_at IS NULL OR s.expires_at > now()) AND p.path IS NOT NULL
		   AND NOT EXISTS (SELECT FROM item_up($1) t WHERE t.trashed_at IS NOT NULL)
		 ORDER BY s.role, u.height`
	scan := db.RowOf(func(g *grant) []any { return append(g.fields(), &g.path) })
	list, err := db.All(ctx, ts.db, scan, sql, item, httpx.CallerOf(ctx).UserID)
	for _, g := range list {
		g.asked = item
		if err := ts.stillShares(ctx, ts.db, &g.share); ignoreNotFound(err) != nil || err == nil {
			return &g, err
		}
	}
	return nil, cmp.Or(err, db.ErrNotFound)
}

// seen is an item as the caller sees it: what is shared by name shows nothing of
// where it lies.
func (v visit) seen(it placed) placed {
	if v.grant != nil {
		it = it.below(v.grant.Item, v.grant.path)
	}
	return it
}

// below is an item whose path begins at a shared one of that path, and whose
// tree is nobody's business. One that has left it meanwhile lies nowhere.
func (it placed) below(top uuid.UUID, path string) placed {
	it.Owner = uuid.Nil
	rest, inside := strings.CutPrefix(it.path+"/", path+"/")
	it.path = strings.TrimSuffix("/"+rest, "/")
	if it.ID == top || !inside {
		it.Parent = nil
	}
	if !inside || it.path == "" && it.IsFile() {
		it.path = "/" + it.Name
	}
	return it
}

// folder is the shared folder, out of which nothing leads; uuid.Nil for anywhere.
func (v visit) folder() uuid.UUID {
	if v.grant == nil {
		return uuid.Nil
	}
	return v.grant.Item
}

// isTop reports whether an item is the one that is shared: it belongs where its
// owner has put it.
func (v visit) isTop(id uuid.UUID) bool { return v.grant != nil && v.grant.Item == id }

// givable refuses who reaches the tree by a share: it is not theirs to give away.
func (v visit) givable() error {
	if v.grant != nil {
		return httpx.ErrForbidden.With("This was shared to you, and is not yours to share or to scan.")
	}
	return nil
}

// withMe is an item that somebody has shared with the caller.
type withMe struct {
	ID        uuid.UUID  `json:"id"` // of the share
	Item      itemBody   `json:"item"`
	Role      role       `json:"role"`
	SharedBy  sharer     `json:"shared_by"`
	ExpiresAt *time.Time `json:"expires_at"`
	CreatedAt time.Time  `json:"created_at"`
}

type sharer struct {
	ID   uuid.UUID `json:"id"`
	Name string    `json:"name"` // their address where they have none
}

func (w withMe) key() uuid.UUID { return w.ID }

// getWithMe is GET /files/shared-with-me, the newest first.
func (sh *shares) getWithMe(c *httpx.Call, p httpx.Keyset[uuid.UUID]) ([]withMe, error) {
	const whose = `-- name: files.SharersWithUser
		SELECT DISTINCT ON (s.owner_id, s.user_id, s.role) ` + shareColumns + `
		  FROM shares s WHERE s.recipient_id = $1 ORDER BY s.owner_id, s.user_id, s.role`
	const sql = `-- name: files.SharedWithUser
		SELECT ` + itemColumns + `, p.path, s.id, s.role, u.id, ` + nameOrAddress + `, s.expires_at, s.created_at
		  FROM shares s
		  JOIN items i ON i.id = s.item_id
		 CROSS JOIN LATERAL item_path(i.id) AS p (path)
		  JOIN users u ON u.id = coalesce(s.user_id, s.owner_id)
		 WHERE s.recipient_id = $1 AND s.id < $2 AND (s.expires_at IS NULL OR s.expires_at > now()) AND p.path IS NOT NULL
		   AND (s.owner_id, u.id, s.role) IN (SELECT n.owner, n.sharer, n.role FROM unnest($3::uuid[], $4::uuid[], $5::text[]) AS n (owner, sharer, role))
		 ORDER BY s.id DESC LIMIT $6`
	ctx, me := c.Context(), c.Caller.UserID
	list, err := db.All(ctx, sh.db, scanShare, whose, me)
	if err != nil {
		return nil, err
	}
	var owners, sharers []uuid.UUID
	var roles []string
	for _, s := range list {
		if err := sh.trees.stillShares(ctx, sh.db, &s); err == nil {
			owners, sharers, roles = append(owners, s.Owner), append(sharers, s.whose()), append(roles, string(*s.Role))
		} else if ignoreNotFound(err) != nil {
			return nil, err
		}
	}
	return db.All(ctx, sh.db, func(row pgx.Row) (w withMe, err error) {
		var it placed
		err = row.Scan(append(it.Fields(), &it.path, &w.ID, &w.Role, &w.SharedBy.ID, &w.SharedBy.Name, &w.ExpiresAt, &w.CreatedAt)...)
		w.Item = it.below(it.ID, it.path).shown()
		return w, err
	}, sql, me, p.After(uuid.Max), owners, sharers, roles, p.Limit)
}
