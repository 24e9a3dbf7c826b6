package files

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"

	"homebase/auth"
	"homebase/db"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// dropBody is the receipt for a dropped file: what arrived, and nothing of
// where it lies or what else does.
type dropBody struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // hex
}

// putDrop is PUT /files/shared/{token}/drop/{name}: an upload of the owner's
// by another's hand. It takes a free name like the one that is asked for, so
// nothing is ever replaced.
func (sh *shares) putDrop(w http.ResponseWriter, r *http.Request, g guest) error {
	name := r.PathValue("name")
	if err := checkName(name); err != nil {
		return err
	}
	s := &g.share
	if r.ContentLength > *s.MaxSize {
		return &http.MaxBytesError{Limit: *s.MaxSize}
	}
	r.Body = http.MaxBytesReader(w, r.Body, *s.MaxSize)
	holds := func(ctx context.Context, q db.Querier) error { return sh.stillHolds(ctx, q, s) }
	it, _, err := sh.wr.takeIn(r, s.Owner, freeSpot(s.Owner, s.Item, name), false, &stranger{s.ID, holds, s.counts()})
	switch {
	case errors.Is(err, journal.ErrQuota):
		return errNoSpace.With("There is no room for this file. Tell whoever gave you the link.").Because(err)
	case errors.Is(err, errParentMissing):
		return httpx.ErrNotFound.Because(err) // trashed meanwhile
	case err != nil:
		return err
	}
	acceptModified(w, r, it.item)
	return httpx.WriteJSON(w, http.StatusCreated, dropBody{it.Size, hex.EncodeToString(it.SHA256)})
}

// stillHolds is db.ErrNotFound when a share has ended for its guest, or has
// another password: sending may take hours.
func (sh *shares) stillHolds(ctx context.Context, q db.Querier, s *share) error {
	const sql = `-- name: files.ShareStillHolds
		SELECT ` + shareColumns + ` FROM shares s
		 WHERE s.id = $1 AND (s.expires_at IS NULL OR s.expires_at > now()) AND s.password_hash IS NOT DISTINCT FROM $2`
	now, err := db.One(ctx, q, scanShare, sql, s.ID, s.Password)
	if err == nil && !auth.Allows(ctx, now.Allow) {
		err = db.ErrNotFound
	}
	if err != nil {
		return err
	}
	return sh.trees.stillShares(ctx, q, s)
}

// freeSpot finds a free name like the one given in a folder, also while the
// commit looks again: see freeName.
func freeSpot(owner, parent uuid.UUID, name string) finder {
	return func(ctx context.Context, q db.Querier) (spot, error) {
		free, err := freeName(ctx, q, parent, name)
		if err != nil {
			return spot{}, err
		}
		return spotIn(ctx, q, owner, parent, free)
	}
}

// People are told of dropped files when no more have come for a while, or after
// a longer one when they do not end, and not again within the hour: a sender has
// a link and no account, and must not fill a mailbox. A time that lies ahead, by a
// clock that was set back, counts as long ago.
const tellable = `
	  FROM drops d
	 GROUP BY d.user_id
	HAVING sum(d.files) > 0
	   AND coalesce(max(d.told_at) NOT BETWEEN now() - interval '1 hour' AND now(), true)
	   AND (max(d.last_at) NOT BETWEEN now() - interval '2 minutes' AND now()
	        OR min(d.since) FILTER (WHERE d.files > 0) < now() - interval '15 minutes')`

// counts is what a drop writes with its file: one more of which whose share it is
// is to be told. nil where they do not want to know.
func (s *share) counts() func(b *pgx.Batch) {
	const sql = `-- name: files.CountDrop
		INSERT INTO drops AS d (user_id, item_id, files, since, last_at) VALUES ($1, $2, 1, now(), now())
		    ON CONFLICT (user_id, item_id) DO UPDATE
		   SET files = d.files + 1, last_at = now(), since = CASE WHEN d.files > 0 THEN d.since ELSE now() END`
	if !s.Notify {
		return nil
	}
	return func(b *pgx.Batch) { b.Queue(sql, s.whose(), s.Item) }
}

// anyDrops reports whether tellDrops would tell anybody.
func (sh *shares) anyDrops(ctx context.Context) (bool, error) {
	const sql = `-- name: files.AnyDropsToTell
		SELECT EXISTS (SELECT d.user_id` + tellable + `)`
	return db.One(ctx, sh.db, db.Value[bool], sql)
}

// tellDrops tells everybody who is to be told, and forgets who was told long ago.
func (sh *shares) tellDrops(ctx context.Context) error {
	const find = `-- name: files.DropsToTell
		SELECT d.user_id` + tellable
	const forget = `-- name: files.ForgetDrops
		DELETE FROM drops d WHERE d.files = 0 AND d.told_at NOT BETWEEN now() - interval '1 hour' AND now()`
	users, err := db.All(ctx, sh.db, db.Value[uuid.UUID], find)
	for _, user := range users {
		if err != nil {
			return err
		}
		err = sh.auth.Tell(ctx, user, func(tx pgx.Tx) (auth.News, error) { return takeDrops(ctx, tx, user) })
	}
	if err == nil {
		err = db.Exec(ctx, sh.db, forget)
	}
	return err
}

// takeDrops is what there is to tell a user, and counts as told.
func takeDrops(ctx context.Context, tx pgx.Tx, user uuid.UUID) (auth.News, error) {
	const sql = `-- name: files.TakeDrops
		WITH told AS (UPDATE drops d SET files = 0, told_at = now()
		  FROM (SELECT n.item_id, n.files FROM drops n WHERE n.user_id = $1 AND n.files > 0 ORDER BY n.item_id FOR UPDATE) n
		 WHERE d.user_id = $1 AND d.item_id = n.item_id RETURNING d.item_id, n.files, d.last_at)
		SELECT t.item_id, t.files FROM told t ORDER BY t.last_at, t.item_id`
	news := auth.News{Kind: "files_dropped", Subject: "New files in a folder of yours"}
	var err error
	news.About, err = db.All(ctx, tx, db.RowOf(func(c *auth.Counted) []any { return []any{&c.About, &c.Count} }), sql, user)
	files := int64(0)
	for _, c := range news.About {
		files += c.Count
	}
	news.Text = fmt.Sprintf("Others have put %s into %s of yours, by a link that you made for that.\n\n"+
		"Sign in to see what came. Such mail can be turned off for each link, where you made it.",
		counted(files, "file"), counted(int64(len(news.About)), "folder"))
	return news, err
}

// counted is "a file" or "3 files".
func counted(n int64, what string) string {
	if n == 1 {
		return "a " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
