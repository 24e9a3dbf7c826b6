package files

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"

	"homebase/audit"
	"homebase/auth"
	"homebase/db"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
)

// guest is a request by a share's token: the share, and the item at or below
// the shared one that it is about.
type guest struct {
	share share
	item  placed // its path is the owner's
	top   string // the shared item's path, the owner's too
}

// guestOf says what routes a share opens.
type guestOf struct {
	mode string // "": any
	// used lets in who was counted before the share was used up: the rest of
	// a download that broke off is free for a day.
	used bool
	// locked does not ask for the password.
	locked bool
}

// open opens a share for a request. Whatever keeps it shut looks like a token
// that never was; except for the password, and who lacks that learns nothing
// of the item.
func (sh *shares) open(r *http.Request, of guestOf) (g guest, err error) {
	if err := sh.vol.inPlace(); err != nil {
		return g, err
	}
	ctx := r.Context()
	s, err := sh.shareByToken(ctx, r.PathValue("token"), of.used)
	if err != nil {
		return g, err
	}
	if of.mode != "" && s.Mode != of.mode || !auth.Allows(ctx, s.Allow) {
		return g, httpx.ErrNotFound
	}
	if err := sh.trees.stillShares(ctx, sh.db, &s); err != nil {
		return g, err
	}
	if !of.locked {
		if err := sh.checkUnlocked(r, &s); err != nil {
			return g, err
		}
	}
	id := s.Item
	if asked := r.URL.Query().Get("item_id"); asked != "" {
		if id, err = parseID(asked); err != nil {
			return g, err
		}
	}
	g.share = s
	g.item, g.top, err = itemBelow(ctx, sh.db, s.Owner, s.Item, id)
	return g, err
}

// guest opens a share for a handler of bytes.
func (sh *shares) guest(of guestOf, h func(w http.ResponseWriter, r *http.Request, g guest) error) httpx.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		g, err := sh.open(r, of)
		if err != nil {
			return err
		}
		return h(w, r, g)
	}
}

// shareByToken finds a share that has not expired and is not used up. With
// used it finds a used-up one too for the networks that were counted lately.
func (sh *shares) shareByToken(ctx context.Context, token string, used bool) (share, error) {
	const sql = `-- name: files.ShareByToken
		SELECT ` + shareColumns + ` FROM shares s
		 WHERE s.token_hash = $1 AND s.recipient_id IS NULL AND (s.expires_at IS NULL OR s.expires_at > now())
		   AND (s.max_downloads IS NULL OR s.downloads < s.max_downloads OR $2 AND EXISTS (
		        SELECT FROM share_downloads d WHERE d.share_id = s.id AND d.network = $3 AND d.free_until > now()))`
	return db.One(ctx, sh.db, scanShare, sql, shareHash(token), used, sh.networkKey(ctx))
}

// newShareToken is a token that nobody guesses.
func newShareToken() string {
	random := make([]byte, 32)
	rand.Read(random)
	return base64.RawURLEncoding.EncodeToString(random)
}

// shareHash is what the database knows a share's token by.
func shareHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// itemBelow finds an item that lies in a shared folder, or is the shared
// item, and is in no trash; and the shared item's path as of the same moment.
func itemBelow(ctx context.Context, q db.Querier, owner, shared, id uuid.UUID) (it placed, top string, err error) {
	const sql = `-- name: files.ItemBelow
		SELECT ` + itemColumns + `, w.path, t.path
		  FROM items i CROSS JOIN LATERAL item_path(i.id) AS w (path) CROSS JOIN item_path($3) AS t (path)
		 WHERE i.id = $2 AND i.owner_id = $1 AND w.path IS NOT NULL
		   AND EXISTS (SELECT FROM item_up(i.id) u WHERE u.id = $3)`
	it, err = db.One(ctx, q, db.RowOf(func(p *placed) []any { return append(p.Fields(), &p.path, &top) }), sql, owner, id, shared)
	return it, top, err
}

// seen is the item as guests see it: paths begin at what is shared, and
// nothing tells where that lies.
func (g guest) seen() placed { return g.item.below(g.share.Item, g.top) }

// noteGuest records what a guest was shown.
func (sh *shares) noteGuest(ctx context.Context, g guest, what string) {
	sh.audit.Note(ctx, journal.InTree(g.share.Owner, audit.Event{Action: audit.ShareRead, Target: g.share.ID,
		Details: map[string]string{"item": g.item.ID.String(), "what": what}}))
}

// sharedBody is a share as its guests see it.
type sharedBody struct {
	Mode    string    `json:"mode"`
	Item    *itemBody `json:"item"`     // null in mode drop
	MaxSize *int64    `json:"max_size"` // bytes of one dropped file; null in mode read
}

// getShared is GET /files/shared/{token}.
func (sh *shares) getShared(c *httpx.Call) (sharedBody, error) {
	g, err := sh.open(c.Request, guestOf{})
	if err != nil {
		return sharedBody{}, err
	}
	body := sharedBody{Mode: g.share.Mode, MaxSize: g.share.MaxSize}
	if g.share.Mode == modeRead {
		body.Item = new(g.seen().shown())
	}
	sh.noteGuest(c.Context(), g, "item")
	return body, nil
}

// getSharedChildren is GET /files/shared/{token}/children.
func (sh *shares) getSharedChildren(c *httpx.Call, p httpx.Keyset[place]) ([]child, error) {
	g, err := sh.open(c.Request, guestOf{mode: modeRead})
	if err != nil {
		return nil, err
	}
	ask, err := pageOf(c, p)
	if err != nil {
		return nil, err
	}
	ctx := c.Context()
	sh.noteGuest(ctx, g, "children")
	list, err := sh.rd.children(ctx, g.share.Owner, g.seen(), ask)
	if err != nil {
		return nil, err
	}
	// The folder may have been moved out of what is shared before it was listed.
	_, _, err = itemBelow(ctx, sh.db, g.share.Owner, g.share.Item, g.item.ID)
	return list, err
}

// getSharedContent is GET and HEAD /files/shared/{token}/content.
func (sh *shares) getSharedContent(w http.ResponseWriter, r *http.Request, g guest) error {
	c, err := sh.rd.open(r.Context(), sh.rd.fileIn(g.share.Owner, g.item.ID, g.share.Item), readPause)
	if err != nil {
		return err
	}
	return sh.rd.serve(w, r, g.share.Owner, c, func(first bool) error { return sh.countDownload(r.Context(), g, first) })
}

// getSharedArchive is GET /files/shared/{token}/archive. It counts as one
// download.
func (sh *shares) getSharedArchive(w http.ResponseWriter, r *http.Request, g guest) error {
	it := archived{g.item, g.share.Item, func(ctx context.Context) error { return sh.stillHolds(ctx, sh.db, &g.share) }}
	a := archive{owner: g.share.Owner, items: []archived{it}, name: g.item.Name}
	return sh.rd.sendArchive(w, r, a, func() error { return sh.countDownload(r.Context(), g, true) })
}

// countDownload counts a download before its first byte is sent. One that does
// not begin at the beginning is the rest of another and free for a day, where
// that other was counted for the same network. The statement is the one place
// where the limit holds: of many at once, exactly as many pass as are left.
func (sh *shares) countDownload(ctx context.Context, g guest, first bool) error {
	const sql = `-- name: files.CountDownload
		WITH free AS (
		    SELECT d.share_id FROM share_downloads d
		     WHERE d.share_id = $1 AND d.item_id = $2 AND d.network = $3 AND d.free_until > now() AND NOT $4
		), counted AS (
		    UPDATE shares s SET downloads = s.downloads + 1
		     WHERE s.id = $1 AND NOT EXISTS (SELECT FROM free) AND (s.expires_at IS NULL OR s.expires_at > now())
		       AND (s.max_downloads IS NULL OR s.downloads < s.max_downloads)
		    RETURNING s.id
		), kept AS (
		    INSERT INTO share_downloads (share_id, item_id, network, free_until)
		    SELECT c.id, $2, $3, now() + interval '24 hours' FROM counted c WHERE length($3::bytea) > 0
		        ON CONFLICT (share_id, item_id, network) DO UPDATE SET free_until = excluded.free_until
		)
		SELECT f.share_id FROM free f UNION ALL SELECT c.id FROM counted c`
	_, err := db.One(ctx, sh.db, db.Value[uuid.UUID], sql, g.share.ID, g.item.ID, sh.networkKey(ctx), first)
	if err == nil {
		sh.noteGuest(ctx, g, "content")
	}
	return err
}

// networkKey names the network of a request without giving it away; empty
// where clients cannot be told apart, and then nothing is free.
func (sh *shares) networkKey(ctx context.Context) []byte {
	network := httpx.ClientNetwork(ctx)
	if !network.IsValid() {
		return []byte{}
	}
	return auth.MAC(sh.keys("share network")[0], []byte(network.String()))[:16]
}

// sweepShares forgets whose further downloads are no longer free.
func (sh *shares) sweepShares(ctx context.Context) error {
	const sql = `-- name: files.SweepShareDownloads
		DELETE FROM share_downloads WHERE free_until < now()`
	return db.Exec(ctx, sh.db, sql)
}
