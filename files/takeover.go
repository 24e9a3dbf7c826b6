package files

import (
	"cmp"
	"context"
	"errors"
	"path"
	"slices"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"
	"homebase/files/naming"
	"homebase/httpx"

	"github.com/google/uuid"
)

// takeBatch is how many findings one transaction takes over: the owner's
// writers wait for that long.
const takeBatch = 256

// verdict says what became of a finding under the owner's lock.
type verdict int

const (
	later verdict = iota // its folder is not known yet, its name is still held, or a change is under way there
	taken                // the rows say it now
	stale                // no longer so: left to the next scan
)

// takeOver makes the rows follow findings. What has to wait for another, as a
// file for its new folder, is tried again until nothing moves, from the other
// end each time: names that were all shifted by one come free one by one.
func (rc *reconciler) takeOver(ctx context.Context, owner uuid.UUID, list []*finding, report *scanReport) error {
	for moving := true; moving && len(list) > 0; {
		moving = false
		var left []*finding
		for batch := range slices.Chunk(list, takeBatch) {
			ready, err := rc.prepare(ctx, batch, report)
			if err == nil {
				err = rc.takeSome(ctx, owner, ready)
			}
			if err != nil {
				return err
			}
			for _, d := range ready {
				if d.done == later {
					left = append(left, d)
					continue
				}
				moving = true
				if d.done == taken {
					report.did(d)
				}
			}
		}
		if list = left; !moving {
			// Trash whose folder is nowhere belongs to the root.
			for _, d := range list {
				if d.was != "" && d.parent != uuid.Nil {
					d.parent, moving = uuid.Nil, true
				}
			}
		}
		slices.Reverse(list)
	}
	// Beside writers an entry may have gone on, or have got a row, meanwhile.
	err := rc.confirm(ctx, owner, list)
	for _, d := range list {
		switch {
		case d.done == stale || d.kind == findMissing:
		case d.kind == findVersion:
			report.problem(d.path, "there is no file of which this can be a version")
		default:
			report.problem(d.path, "another item has this name, or its folder was not taken over; rename it and scan again")
		}
	}
	return err
}

// takeSome takes findings over in one transaction. Writers of the owner may
// have long queues: it waits for its turn while anybody waits for it.
func (rc *reconciler) takeSome(ctx context.Context, owner uuid.UUID, batch []*finding) error {
	if len(batch) == 0 {
		return nil
	}
	err := rc.underLock(ctx, owner, batch, func(ctx context.Context, t *journal.Tx, free []*finding) error {
		var fresh []*finding
		for _, d := range free {
			var err error
			switch {
			case d.kind != findMissing && rc.touched(d):
				d.done = stale
			case d.kind == findNew:
				fresh = append(fresh, d)
			case d.kind == findVersion:
				err = rc.takeVersion(ctx, t, owner, d)
			default:
				err = rc.takeKnown(ctx, t, owner, d)
			}
			if err != nil {
				return err
			}
		}
		if err := rc.takeNew(ctx, t, owner, fresh); err != nil || !slices.ContainsFunc(fresh, (*finding).cameBack) {
			return err
		}
		return db.Notify(ctx, t, membersChannel, "")
	})
	if slices.ContainsFunc(batch, (*finding).cameBack) {
		rc.trees.members.Forget()
	}
	return err
}

// touched reports whether anything happened to an entry since it was seen.
func (rc *reconciler) touched(d *finding) bool {
	info, err := rc.vol.disk.Lstat(d.path)
	return err != nil || !unchangedSince(d.info, info)
}

// cameBack reports whether an id has a row again, of whichever tree it was.
func (d *finding) cameBack() bool { return d.former && d.done == taken }

// underLock gives the findings around which nothing is between commit and
// rename to do: there the disk is as the rows say, except for what was done
// past the API. The others are left for later.
func (rc *reconciler) underLock(ctx context.Context, owner uuid.UUID, list []*finding, do func(ctx context.Context, t *journal.Tx, free []*finding) error) error {
	c := journal.Change{Owner: owner, Wait: journal.Timeout, Decide: func(ctx context.Context, t *journal.Tx) error {
		var free []*finding
		for _, d := range list {
			d.done = later
			if !t.InTheWay(d.row.ID, d.path, cmp.Or(d.from, d.path)) {
				free = append(free, d)
			}
		}
		return do(ctx, t, free)
	}}
	for {
		if err := rc.vol.disk.CheckInPlace(rc.vol.id); err != nil {
			return journal.ErrUnavailable.Because(err)
		}
		err := rc.journal.Commit(ctx, c)
		if !errors.Is(err, httpx.ErrBusy) {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// takeKnown looks again at what became of a row, writes it, and counts the bytes
// that there are more.
func (rc *reconciler) takeKnown(ctx context.Context, t *journal.Tx, owner uuid.UUID, d *finding) error {
	d.done = stale
	row, from, err := pathOf(ctx, t, owner, d.row.ID)
	if err != nil || from != d.from {
		return ignoreNotFound(err)
	}
	now := row
	switch {
	case d.kind == findMissing:
		info, err := rc.vol.disk.Lstat(d.path)
		there := err == nil && (info.IsDir() || info.Mode().IsRegular())
		if disk.Failed(err) || there && info.IsDir() != row.IsFile() {
			return nil
		}
		if _, owned := disk.Inside(d.path); there && owned { // another kind of entry has taken the name
			if now.Name, err = freeName(ctx, t, *row.Parent, disk.MarkName(row.Name, " (missing)")); err != nil {
				return err
			}
		}
	case d.kind == findMoved:
		if rc.carriedAt(from, row.ID) {
			return nil
		}
		if room, err := roomFor(ctx, t, owner, d); err != nil || !room {
			d.done = later
			return err
		}
		now.Parent, now.Name = &d.parent, path.Base(d.path)
	}
	now.Missing = d.kind == findMissing
	changed := !now.Missing && row.IsFile() && !row.matches(d.info)
	if d.kind != findMoved && d.kind != findUnmarked && !changed && now.Missing == row.Missing {
		return nil // the rows say it by now
	}
	if changed && d.sum == nil {
		return nil // it was prepared for another version of the row
	}
	if !now.Missing && row.IsFile() {
		now.Ino = new(disk.Inode(d.info))
	}
	if row.IsFile() && (changed || d.kind == findMoved) {
		now.MediaType = new(mediaType(now.Name, *row.MediaType, d.head))
	}
	if changed {
		now.Size, now.SHA256, now.MTime = d.info.Size(), d.sum, new(disk.MTime(d.info))
	}
	d.done = taken
	if err := rc.settleMark(d); err != nil || d.kind == findUnmarked {
		return err
	}
	t.Count(now.Size-row.Size, 0)
	return rc.writeKnown(ctx, t, owner, d, now, changed)
}

// writeKnown writes what a row has become.
func (rc *reconciler) writeKnown(ctx context.Context, t *journal.Tx, owner uuid.UUID, d *finding, now item, changed bool) error {
	const sql = `-- name: files.TakeOverRow
		UPDATE items i
		   SET parent_id = $2, name = $3, name_sort = normalize($4, NFC), name_folded = normalize($12, NFC), media_type = $13, size = $5, sha256 = $6, mtime = $7, ino = $8,
		       missing_at = CASE WHEN $9 THEN now() END, checked_at = CASE WHEN NOT $10 THEN i.checked_at END,
		       trashed_at = CASE WHEN NOT $11 THEN i.trashed_at END, updated_at = CASE WHEN $10 THEN now() ELSE i.updated_at END,
		       revision = i.revision + 1
		 WHERE i.id = $1`
	moved := d.kind == findMoved
	err := db.Exec(ctx, t, sql, now.ID, now.Parent, now.Name, naming.SortKey(now.Name), now.Size, now.SHA256, now.MTime, now.Ino,
		now.Missing, changed, moved, naming.Fold(now.Name), now.MediaType)
	if err != nil {
		return err
	}
	if changed {
		t.Audit(ctx, audit.Event{Action: audit.FileChangedOutside, Target: now.ID})
	}
	what := feedChanged
	if moved {
		what = feedMoved
		t.Audit(ctx, audit.Event{Action: audit.FileMoved, Target: now.ID})
	}
	return tellStored(ctx, t, what, owner, now.ID)
}

// roomFor reports whether something can be taken in where it lies: the folder
// there is the one that is meant, and no other item has the name.
func roomFor(ctx context.Context, t *journal.Tx, owner uuid.UUID, d *finding) (bool, error) {
	folder, p, err := pathOf(ctx, t, owner, d.parent)
	if err != nil || folder.IsFile() || p != path.Dir(d.path) {
		return false, ignoreNotFound(err)
	}
	held, err := nameTaken(ctx, t, d.parent, path.Base(d.path), d.row.ID)
	return !held, err
}

// takeNew inserts the rows of what was copied onto the disk: all whose folders
// are known by one statement, then what lies in new folders. What has a name
// or an id that is held waits.
func (rc *reconciler) takeNew(ctx context.Context, t *journal.Tx, owner uuid.UUID, list []*finding) error {
	const sql = `-- name: files.TakeOverNew` + insertRows + ` ON CONFLICT DO NOTHING RETURNING i.id`
	created, trashed := []uuid.UUID{}, []uuid.UUID{}
	for len(list) > 0 {
		parents := make([]uuid.UUID, len(list))
		for i, d := range list {
			parents[i] = cmp.Or(d.parent, t.Tree.Root)
		}
		folders, err := pathsOf(ctx, t, parents)
		if err != nil {
			return err
		}
		var rows []newRow
		ready := map[uuid.UUID]*finding{}
		left := list[:0:0]
		for i, d := range list {
			folder := folders[parents[i]]
			if folder.Owner != owner || folder.IsFile() || d.was == "" && folder.path != path.Dir(d.path) {
				left = append(left, d) // it may be new as well
				continue
			}
			row, err := rc.newRow(d, folder.ID)
			if err != nil {
				return err
			}
			rows, ready[row.ID] = append(rows, row), d
		}
		if len(rows) == 0 {
			break
		}
		ids, err := db.All(ctx, t, db.Value[uuid.UUID], sql, owner, rows)
		if err != nil {
			return err
		}
		for _, id := range ids {
			d := ready[id]
			d.done = taken
			action, size := audit.FolderCreated, int64(0)
			if d.isFile() {
				action, size = audit.FileCreated, d.info.Size()
			}
			t.Count(size, 1)
			t.Audit(ctx, audit.Event{Action: action, Target: id})
			if d.was == "" {
				created = append(created, id)
			} else {
				trashed = append(trashed, id)
			}
		}
		list = left
	}
	if err := tellStored(ctx, t, feedCreated, owner, created...); err != nil {
		return err
	}
	return tellStored(ctx, t, feedTrashed, owner, trashed...)
}

// newRow is the row of an entry in its folder. One with an id from a former life
// keeps it, with the time that the id tells, and begins with a revision that it never
// had before.
func (rc *reconciler) newRow(d *finding, folder uuid.UUID) (newRow, error) {
	row := newRow{ID: d.row.ID, Parent: folder, Kind: d.row.Kind, Name: d.name(), Revision: 1, Created: time.Now()}
	if d.was != "" { // it was renamed to where it lies when it was deleted
		ctim := disk.StatOf(d.info).Ctim
		row.Trashed = new(time.Unix(ctim.Unix()))
	}
	if d.former {
		row.Revision = row.Created.Unix()
		if d.row.ID.Version() == 7 {
			row.Created = time.Unix(d.row.ID.Time().UnixTime())
		}
	}
	row.Updated = row.Created
	if d.isFile() {
		row.Size, row.MTime, row.Ino = d.info.Size(), new(disk.MTime(d.info)), new(disk.Inode(d.info))
		row.Updated = time.Unix(0, *row.MTime)
		row.MediaType, row.SHA256 = new(mediaType(row.Name, "", d.head)), d.sum
	}
	return row.keyed(), rc.settleMark(d)
}

// settleMark gives what carries another id its own. That is done under the
// owner's lock alone: before, the other one may just have been renamed here.
// Where it fails the next scan finds an entry without its mark.
func (rc *reconciler) settleMark(d *finding) error {
	if !d.remark {
		return nil
	}
	file, err := rc.vol.disk.Look(d.path, d.info)
	if err != nil {
		return nil
	}
	defer file.Close()
	if err := d.mark(file); err != nil {
		return nil
	}
	return rc.vol.diskError(rc.vol.disk.Sync(file))
}
