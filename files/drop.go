package files

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"

	"homebase/auth"
	"homebase/db"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
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
	free := freeSpot(s.Owner, s.Item, name)
	find := func(ctx context.Context, q db.Querier) (spot, error) {
		at, err := free(ctx, q)
		if errors.Is(err, errParentMissing) {
			err = httpx.ErrNotFound // trashed meanwhile
		}
		return at, err
	}
	holds := func(ctx context.Context, q db.Querier) error { return sh.stillHolds(ctx, q, s) }
	it, _, err := sh.wr.takeIn(r, s.Owner, find, false, &stranger{s.ID, holds, s.counts()})
	if errors.Is(err, journal.ErrQuota) {
		return errNoSpace.With("There is no room for this file. Tell whoever gave you the link.").Because(err)
	}
	if err != nil {
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
