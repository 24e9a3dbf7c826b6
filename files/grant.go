package files

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"homebase/db"
	"homebase/files/journal"
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
	list, err := db.All(ctx, ts.db, func(row pgx.Row) (*grant, error) {
		g := &grant{asked: item}
		return g, row.Scan(append(g.fields(), &g.path)...)
	}, sql, item, httpx.CallerOf(ctx).UserID)
	for _, g := range list {
		if err := ts.stillShares(ctx, ts.db, &g.share); ignoreNotFound(err) != nil || err == nil {
			return g, err
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
	if !inside || it.path == "" && it.isFile() {
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

// postGrant shares an item by name; who has it already gets the other role.
func (sh *shares) postGrant(ctx context.Context, s share, in newShare) (share, error) {
	const known = `-- name: files.UserToShareWith
		SELECT u.id FROM users u WHERE u.id = $1 AND u.status = 'active' FOR KEY SHARE`
	const sql = `-- name: files.InsertGrant
		INSERT INTO shares AS s (id, owner_id, item_id, token_hash, mode, expires_at, allow, user_id, recipient_id, role)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		    ON CONFLICT (item_id, recipient_id) DO UPDATE SET expires_at = excluded.expires_at, user_id = excluded.user_id, role = excluded.role
		RETURNING ` + shareColumns
	var f httpx.Fields
	if in.Mode != "" {
		f.Add("#/mode", "invalid", "A share with a user has a role and no mode.")
	}
	if in.Role == nil || *in.Role != viewer && *in.Role != editor {
		f.Add("#/role", "invalid", "The role must be viewer or editor.")
	}
	if *in.UserID == httpx.CallerOf(ctx).UserID || *in.UserID == s.Owner {
		f.Add("#/user_id", "invalid", "It is theirs already.")
	}
	if err := f.Err(); err != nil {
		return s, err
	}
	s.Recipient, s.Role = in.UserID, in.Role
	if err := s.apply(in.shareTerms); err != nil {
		return s, err
	}
	if err := sh.mayOffer(ctx, &s); err != nil {
		return s, err
	}
	if _, err := itemByID(ctx, sh.db, s.Owner, s.Item); err != nil {
		return s, err
	}
	return sh.insert(ctx, s, func(tx *journal.Tx) (share, error) {
		_, err := db.One(ctx, tx, db.Value[uuid.UUID], known, *s.Recipient)
		if errors.Is(err, db.ErrNotFound) {
			f.Add("#/user_id", "missing", "There is no such user.")
			err = f.Err()
		}
		if err != nil {
			return s, err
		}
		made, err := db.One(ctx, tx, scanShare, sql, journal.NewID(), s.Owner, s.Item, shareHash(newShareToken()), s.Mode, s.Expires, s.Allow, s.By, s.Recipient, s.Role)
		if err == nil {
			err = db.Notify(ctx, tx, membersChannel, "")
		}
		return made, err
	})
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
		w.Item, w.CreatedAt = it.below(it.ID, it.path).shown(), w.CreatedAt.UTC()
		if w.ExpiresAt != nil {
			w.ExpiresAt = new(w.ExpiresAt.UTC())
		}
		return w, err
	}, sql, me, p.After(uuid.Max), owners, sharers, roles, p.Limit)
}
