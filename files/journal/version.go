package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	"homebase/audit"
	"homebase/db"
	"homebase/files/disk"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// keeps reports whether what a put displaces becomes a version: other bytes
// than its own, as the row has them.
func (g *groupTx) keeps(w *waiting, at *Item) (bool, error) {
	if !g.j.KeepVersions || at == nil || at.Missing {
		return false, nil
	}
	file, info, err := g.j.disk.Open(disk.OwnerPath(g.owner, w.Path))
	if disk.Failed(err) {
		return false, unavailable(err) // it may be there: without a version its bytes would be given up
	}
	if err != nil {
		return false, nil
	}
	defer file.Close()
	carries, err := g.j.disk.Carries(file, at.ID)
	switch {
	case err != nil:
		return false, unavailable(err)
	case !carries: // it is moved aside
		return false, nil
	case info.Size() == at.Size && disk.MTime(info) == *at.MTime:
		return !bytes.Equal(at.SHA256, w.SHA256), nil
	case w.AsItIs:
		return false, nil
	}
	return false, ErrChangedOutside
}

// queueVersions makes versions of what is about to be replaced.
func (g *groupTx) queueVersions(b *pgx.Batch) {
	const sql = `-- name: files.KeepVersions
		INSERT INTO versions (item_id, revision, owner_id, size, sha256, media_type, mtime, ino, checked_at)
		SELECT i.id, i.revision, i.owner_id, i.size, i.sha256, i.media_type, i.mtime, i.ino, i.checked_at
		  FROM items i WHERE i.id = ANY ($2) AND i.owner_id = $1`
	var ids []uuid.UUID
	for _, r := range g.t.records {
		if r.keeps {
			ids = append(ids, r.item)
		}
	}
	if len(ids) > 0 {
		b.Queue(sql, g.owner, ids)
	}
}

// Version names a former content of an item.
type Version struct {
	Item     uuid.UUID
	Revision int64
	Size     int64 // bytes
}

// VersionColumns are those of a row of versions AS v, as ScanVersion wants them.
const VersionColumns = `v.item_id, v.revision, v.size`

// ScanVersion reads a row of VersionColumns.
func ScanVersion(row pgx.Row) (v Version, err error) {
	err = row.Scan(&v.Item, &v.Revision, &v.Size)
	return v, err
}

// EndVersions deletes those of an owner's versions that are still there, and lets
// the disk move their bytes to purge/.
func (t *Tx) EndVersions(ctx context.Context, list []Version) error {
	const sql = `-- name: files.EndVersions
		DELETE FROM versions v
		 USING unnest($2::uuid[], $3::bigint[]) AS n (item_id, revision)
		 WHERE v.item_id = n.item_id AND v.revision = n.revision AND v.owner_id = $1
		RETURNING ` + VersionColumns
	items, revisions := make([]uuid.UUID, len(list)), make([]int64, len(list))
	for i, v := range list {
		items[i], revisions[i] = v.Item, v.Revision
	}
	ended, err := db.All(ctx, t, ScanVersion, sql, t.owner, items, revisions)
	if err != nil {
		return err
	}
	return t.PurgeVersions(ended)
}

// PurgeVersions lets the disk move the bytes of versions to purge/ whose rows the
// change deletes, and counts them no more.
func (t *Tx) PurgeVersions(ended []Version) error {
	for _, v := range ended {
		if err := t.Purge(v.Item, v.Revision, disk.VersionPath(t.owner, v.Item, v.Revision)); err != nil {
			return err
		}
		t.Keep(-v.Size)
	}
	return nil
}

// Keep counts bytes that versions take more, or less.
func (t *Tx) Keep(bytes int64) {
	t.Count(bytes, 0)
	t.kept += bytes
}

// lack is how many bytes had no room, in an ErrQuota for which there are
// versions enough to be given up.
type lack int64

func (l lack) Error() string { return fmt.Sprintf("%d bytes too many", int64(l)) }

// tooMuch is the refusal of what does not fit by so many bytes.
func (t *Tx) tooMuch(refusal *httpx.Problem, over int64) error {
	if over <= t.Tree.Versions {
		return refusal.Because(lack(over))
	}
	return refusal
}

// mostTries bounds how often others may take the room that was made.
const mostTries = 20

// withRoom does what may have no room, and does it again once versions were
// given up for it. Nobody loses a version for what cannot be stored anyway, nor
// for what the guest of a share sends, who is no caller. If nobody knows whether they are
// given up, nothing was stored all the same; if that is committed, there is room, though
// the disk has not followed yet.
func (j *Journal) withRoom(ctx context.Context, owner uuid.UUID, do func() error) error {
	err := do()
	for range mostTries {
		over, ok := errors.AsType[lack](err)
		if !ok || !j.called(ctx) {
			break
		}
		switch err := j.giveUp(ctx, owner, int64(over)); {
		case errors.Is(err, db.ErrOutcomeUnknown):
			return ErrUnavailable.Because(fmt.Errorf("making room: %v", err))
		case err != nil && !errors.Is(err, ErrUnpublished):
			return err
		}
		err = do()
	}
	return err
}

// mostEnded is how many versions one change ends: the owner's other changes wait
// for that long.
const mostEnded = 1000

// giveUp ends an owner's oldest versions until so many bytes are free.
func (j *Journal) giveUp(ctx context.Context, owner uuid.UUID, bytes int64) error {
	const oldest = `-- name: files.OldestVersions
		SELECT ` + VersionColumns + ` FROM versions v
		 WHERE v.owner_id = $1 AND v.size > 0
		 ORDER BY v.replaced_at, v.item_id, v.revision LIMIT $2`
	for bytes > 0 {
		var freed int64
		err := j.commit(ctx, Change{Owner: owner, Unjudged: true, Wait: Timeout, Decide: func(ctx context.Context, t *Tx) error {
			freed = 0
			list, err := db.All(ctx, t, ScanVersion, oldest, owner, mostEnded)
			if err != nil {
				return err
			}
			ended := map[uuid.UUID]int{}
			for i, v := range list {
				if freed >= bytes {
					list = list[:i]
					break
				}
				freed += v.Size
				ended[v.Item]++
			}
			for item, n := range ended {
				t.Audit(ctx, givenUp(item, n))
			}
			return t.EndVersions(ctx, list)
		}})
		if err != nil || freed == 0 {
			return err
		}
		disk.Failpoint("given-up")
		bytes -= freed
	}
	return nil
}

// givenUp is the event of versions of an item that made room for an upload.
func givenUp(item uuid.UUID, versions int) audit.Event {
	return audit.Event{Action: audit.VersionsGivenUp, Target: item, Details: map[string]string{"versions": strconv.Itoa(versions)}}
}
