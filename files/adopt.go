package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
)

const (
	// adoptBatch is how many differences one transaction adopts: the owner's
	// writers wait for that long.
	adoptBatch = 64
	adoptTries = 6 // of five seconds each, where an owner's writers never pause
)

// verdict says what became of a difference under the owner's lock.
type verdict int

const (
	later   verdict = iota // its folder is not known yet, or its name is still held
	adopted                // the rows say it now
	stale                  // no longer so: left to the next scan
)

// adopt makes the rows follow the differences. What has to wait for another,
// as a file for its new folder, is tried again until nothing moves.
func (f *Files) adopt(ctx context.Context, owner uuid.UUID, waiting []*difference, report *scanReport) error {
	for before := -1; len(waiting) > 0 && len(waiting) != before; {
		before = len(waiting)
		var still []*difference
		for batch := range slices.Chunk(waiting, adoptBatch) {
			ready, err := f.prepareSome(ctx, batch, report)
			if err != nil {
				return err
			}
			left, err := f.adoptSome(ctx, owner, ready, report)
			if err != nil {
				return err
			}
			still = append(still, left...)
		}
		if waiting = still; len(waiting) == before {
			// Trash whose folder is nowhere belongs to the root.
			for _, d := range waiting {
				if d.trash != nil && d.trash.parent != (uuid.UUID{}) {
					d.trash.parent, before = uuid.UUID{}, -1
				}
			}
		}
	}
	for _, d := range waiting {
		report.problem(d.place, "another item has this name, or its folder was not taken; rename it and scan again")
	}
	return nil
}

// adoptSome takes differences over in one transaction and gives back those
// that have to wait for others.
func (f *Files) adoptSome(ctx context.Context, owner uuid.UUID, batch []*difference, report *scanReport) (waiting []*difference, err error) {
	if len(batch) == 0 {
		return nil, nil
	}
	if err := f.disk.CheckInPlace(f.id); err != nil {
		return nil, journal.ErrUnavailable.Because(err)
	}
	verdicts := make([]verdict, len(batch))
	// Beside what is pending elsewhere, unless something was moved: that
	// concerns two places, and the records of neither.
	c := journal.Change{Owner: owner, Whole: slices.ContainsFunc(batch, func(d *difference) bool { return d.kind == diffMoved })}
	c.Decide = func(ctx context.Context, t *journal.Tx) (err error) {
		for i, d := range batch {
			if t.InTheWay(d.item.ID, d.place) {
				verdicts[i] = stale
			} else if verdicts[i], err = f.adoptOne(ctx, t, owner, d); err != nil {
				return fmt.Errorf("adopt what is %s: %w", d.kind, err)
			}
		}
		return nil
	}
	for try := 1; ; try++ {
		err := f.journal.Commit(ctx, c)
		if err == nil {
			break
		}
		if !errors.Is(err, httpx.ErrBusy) || try == adoptTries {
			return nil, err
		}
	}
	for i, d := range batch {
		switch verdicts[i] {
		case adopted:
			report.did(d)
		case later:
			waiting = append(waiting, d)
		}
	}
	return waiting, nil
}

// adoptOne looks again at one difference and writes the rows. Nothing around
// it is between commit and rename, so the disk is as the rows say but for what
// was done past the API.
func (f *Files) adoptOne(ctx context.Context, t *journal.Tx, owner uuid.UUID, d *difference) (verdict, error) {
	if d.kind == diffNew {
		return f.adoptNew(ctx, t, owner, d)
	}
	row, place, err := placeOf(ctx, t, owner, d.item.ID)
	if errors.Is(err, db.ErrNotFound) {
		return stale, nil
	}
	if err != nil {
		return stale, err
	}
	info, err := f.disk.Lstat(d.place)
	if err != nil && disk.Failed(err) {
		return stale, err
	}
	there := err == nil
	switch d.kind {
	case diffMissing:
		if place != d.place || there && (info.IsDir() || info.Mode().IsRegular()) && info.IsDir() != row.isFile() {
			return stale, nil
		}
		return adopted, setMissing(ctx, t, owner, row.ID, true)
	case diffReturned:
		if place != d.place || !there || !unchangedSince(d.info, info) {
			return stale, nil
		}
		return adopted, setMissing(ctx, t, owner, row.ID, false)
	case diffUnmarked:
		if place != d.place || !there || !unchangedSince(d.info, info) {
			return stale, nil
		}
		return adopted, f.settleMark(d)
	case diffChanged:
		if place != d.place || !there || !unchangedSince(d.info, info) || row.matches(info) {
			return stale, nil
		}
		return adopted, f.adoptBytes(ctx, t, owner, row, d)
	}
	return f.adoptMove(ctx, t, owner, row, place, d, info)
}

func setMissing(ctx context.Context, t *journal.Tx, owner, id uuid.UUID, missing bool) error {
	const sql = `-- name: files.SetMissing
		UPDATE items SET missing_at = CASE WHEN $2 THEN now() END WHERE id = $1`
	if _, err := db.Exec(ctx, t, sql, id, missing); err != nil {
		return err
	}
	return tellStored(ctx, t, feedChanged, owner, id)
}

// grow counts adopted bytes. They are on the disk already, so no quota
// refuses them: an owner beyond it cannot upload until there is room again.
func grow(ctx context.Context, t *journal.Tx, owner uuid.UUID, bytes int64) error {
	const sql = `-- name: files.CountAdopted
		UPDATE trees SET used = used + $2 WHERE owner_id = $1`
	if bytes == 0 {
		return nil
	}
	_, err := db.Exec(ctx, t, sql, owner, bytes)
	return err
}

// adoptBytes gives a row the bytes that somebody wrote past the API.
func (f *Files) adoptBytes(ctx context.Context, t *journal.Tx, owner uuid.UUID, row item, d *difference) error {
	const sql = `-- name: files.AdoptBytes
		UPDATE items i
		   SET size = $2, sha256 = $3, mtime = $4, ino = $5, revision = i.revision + 1, updated_at = now(),
		       missing_at = NULL, checked_at = NULL
		 WHERE i.id = $1`
	if err := f.settleMark(d); err != nil {
		return err
	}
	if _, err := db.Exec(ctx, t, sql, row.ID, d.info.Size(), d.sum, d.info.ModTime().UnixNano(), disk.Inode(d.info)); err != nil {
		return err
	}
	if err := grow(ctx, t, owner, d.info.Size()-row.Size); err != nil {
		return err
	}
	if err := tellStored(ctx, t, feedChanged, owner, row.ID); err != nil {
		return err
	}
	t.Audit(ctx, audit.Event{Action: audit.FileChangedOutside, Target: row.ID})
	return nil
}

// roomFor reports whether something can be taken in at a place: the folder
// there is the one that is meant, and the name is free but for the item.
func roomFor(ctx context.Context, t *journal.Tx, owner uuid.UUID, d *difference) (bool, error) {
	const sql = `-- name: files.NameHeld
		SELECT EXISTS (SELECT FROM items i
		                WHERE i.parent_id = $1 AND normalize(i.name, NFC) = normalize($2, NFC)
		                  AND i.trashed_at IS NULL AND i.id <> $3)`
	folder, place, err := placeOf(ctx, t, owner, d.parent)
	if errors.Is(err, db.ErrNotFound) {
		return false, nil
	}
	if err != nil || folder.isFile() || place != path.Dir(d.place) {
		return false, err
	}
	held, err := db.One(ctx, t, db.Value[bool], sql, d.parent, path.Base(d.place), d.item.ID)
	return !held, err
}

// adoptMove takes over that something lies elsewhere, and its bytes if they
// were changed too.
func (f *Files) adoptMove(ctx context.Context, t *journal.Tx, owner uuid.UUID, row item, from string, d *difference, info fs.FileInfo) (verdict, error) {
	if from != d.from || info == nil || !unchangedSince(d.info, info) {
		return stale, nil
	}
	if held, err := f.carriedAt(from, row.ID); err != nil || held {
		return stale, err
	}
	if room, err := roomFor(ctx, t, owner, d); err != nil || !room {
		return later, err
	}
	if d.isFile() && !row.matches(info) && d.sum == nil {
		return stale, nil // it was prepared for another version of the row
	}
	if err := f.settleMark(d); err != nil {
		return stale, err
	}
	now, err := relocate(ctx, t, row.ID, d.parent, path.Base(d.place))
	if err == nil {
		err = tellStored(ctx, t, feedMoved, owner, row.ID)
	}
	if err == nil && row.Missing {
		err = setMissing(ctx, t, owner, row.ID, false)
	}
	if err != nil {
		return stale, err
	}
	if d.isFile() && !row.matches(info) {
		if err := f.adoptBytes(ctx, t, owner, now, d); err != nil {
			return stale, err
		}
	}
	t.Audit(ctx, audit.Event{Action: audit.FileMoved, Target: row.ID})
	return adopted, nil
}

// adoptNew inserts the row of what was copied onto the disk. One with an id
// from a former life keeps it, with the time that the id tells, and begins
// with a revision that it never had before.
func (f *Files) adoptNew(ctx context.Context, t *journal.Tx, owner uuid.UUID, d *difference) (verdict, error) {
	const sql = `-- name: files.AdoptItem
		INSERT INTO items (id, owner_id, parent_id, kind, name, name_sort, size, media_type, sha256, mtime, ino,
		                   revision, created_at, updated_at, trashed_at)
		VALUES ($1, $2, $3, $4, $5, normalize($6, NFC), $7, $8, $9, $10, $11, $12, $13, $14, $15)`
	info, err := f.disk.Lstat(d.place)
	if err != nil || !unchangedSince(d.info, info) {
		if err != nil && disk.Failed(err) {
			return stale, err
		}
		return stale, nil
	}
	if free, err := idFree(ctx, t, d.item.ID); err != nil || !free {
		return stale, err
	}
	name, parent := path.Base(d.place), d.parent
	var trashedAt *time.Time
	if d.trash != nil {
		name, parent = d.trash.name, d.trash.parent
		if parent == (uuid.UUID{}) {
			parent = t.Tree.Root
		}
		if folder, _, err := placeOf(ctx, t, owner, parent); errors.Is(err, db.ErrNotFound) || folder.isFile() {
			return later, nil
		} else if err != nil {
			return stale, err
		}
		// It was renamed to where it lies when it was deleted.
		ctim := disk.StatOf(info).Ctim
		trashedAt = new(time.Unix(ctim.Unix()))
	} else if room, err := roomFor(ctx, t, owner, d); err != nil || !room {
		return later, err
	}
	if err := f.settleMark(d); err != nil {
		return stale, err
	}
	row := []any{d.item.ID, owner, parent, d.item.Kind, name, strings.ToLower(name)}
	action, updated := audit.FolderCreated, time.Now()
	if d.isFile() {
		action, updated = audit.FileCreated, info.ModTime()
		row = append(row, info.Size(), mediaType(name, ""), d.sum, info.ModTime().UnixNano(), disk.Inode(info))
	} else {
		row = append(row, 0, nil, nil, nil, nil)
	}
	revision, created := int64(1), time.Now()
	if d.former {
		revision = created.Unix()
		if d.item.ID.Version() == 7 {
			created = time.Unix(d.item.ID.Time().UnixTime())
		}
		if !d.isFile() {
			updated = created
		}
	}
	if _, err := db.Exec(ctx, t, sql, append(row, revision, created, updated, trashedAt)...); err != nil {
		return stale, err
	}
	if d.isFile() {
		if err := grow(ctx, t, owner, info.Size()); err != nil {
			return stale, err
		}
	}
	what := feedCreated
	if d.trash != nil {
		what = feedTrashed
	}
	if err := tellStored(ctx, t, what, owner, d.item.ID); err != nil {
		return stale, err
	}
	t.Audit(ctx, audit.Event{Action: action, Target: d.item.ID})
	return adopted, nil
}
