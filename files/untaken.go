package files

import (
	"cmp"
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"

	"github.com/google/uuid"
)

// Untaken is an entry of somebody's files that no row stands for.
type Untaken struct {
	Path string // below the data directory
	Why  string
	Top  bool // no other one holds it
}

// Whatever is under way around an entry is waited for, this often.
const (
	untakenRounds = 50
	untakenPause  = 100 * time.Millisecond
)

var errOnlyLooked = errors.New("nothing was to be changed")

// Untaken names every entry in users/, spaces/ and the trash that no row stands for,
// and why: what a scan would take over, and what it cannot. It changes nothing.
// A data directory that belongs to no database yet holds none.
func (f *Files) Untaken(ctx context.Context, give func(u Untaken)) error {
	if known, err := dataDirID(ctx, f.db); err != nil || known == nil {
		return err
	}
	return f.asWorker(ctx, func() error { return f.rc.untaken(ctx, give) })
}

func (rc *reconciler) untaken(ctx context.Context, give func(u Untaken)) error {
	owners, err := ownersLike(ctx, rc.db, "")
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, o := range owners {
		known[disk.OwnerPath(o.id, "")], known[path.Join(disk.Versions, o.id.String())] = true, true
	}
	folders, err := rc.vol.foldersIn(disk.Users, disk.Spaces, disk.Versions)
	if err != nil {
		return err
	}
	for _, place := range folders {
		why := "it is not the folder of an account or a space with files"
		if path.Dir(place) == disk.Versions {
			why = "it holds versions of an account or a space that is not there"
		}
		if !known[place] {
			give(Untaken{place, why, true})
		}
	}
	for _, o := range owners {
		if err := rc.untakenOf(ctx, o, give); err != nil {
			return err
		}
	}
	return nil
}

// untakenOf looks at one owner's tree, and under the owner's lock once more:
// what another change was about to do is not untaken.
func (rc *reconciler) untakenOf(ctx context.Context, o owner, give func(u Untaken)) error {
	root := placed{}
	root.ID = o.root
	list, err := rc.lookAt(ctx, o.id, root)
	if err != nil {
		return err
	}
	why := map[string]refusal{
		findNew:     "it has no row; homebase files scan takes it over",
		findVersion: "it has no row; homebase files scan takes it over",
		findMoved:   "it was moved here outside the API; homebase files scan takes it over",
	}
	list = slices.DeleteFunc(list, func(d *finding) bool { return why[d.kind] == "" && d.kind != findRefused })
	tops := slices.DeleteFunc(slices.Clone(list), func(d *finding) bool { return d.in != nil })
	if err := rc.confirm(ctx, o.id, tops); err != nil {
		return err
	}
	for _, d := range list {
		top := d
		for top.in != nil {
			top = top.in
		}
		if top.done == stale {
			continue
		}
		give(Untaken{d.path, string(cmp.Or(why[d.kind], d.why)), d == top})
	}
	return nil
}

// confirm looks at findings under the owner's lock once more, and makes stale what
// does not hold: what another change was about to do. What stays between commit and
// rename for too long is left as later.
func (rc *reconciler) confirm(ctx context.Context, owner uuid.UUID, list []*finding) error {
	pending := slices.Clone(list)
	for round := 0; len(pending) > 0 && round < untakenRounds; round++ {
		if round > 0 && !db.Sleep(ctx, untakenPause) {
			return context.Cause(ctx)
		}
		for batch := range slices.Chunk(pending, takeBatch) {
			err := rc.underLock(ctx, owner, batch, func(ctx context.Context, t *journal.Tx, free []*finding) error {
				for _, d := range free {
					if err := rc.confirmOne(ctx, t, owner, d); err != nil {
						return err
					}
				}
				return errOnlyLooked
			})
			if !errors.Is(err, errOnlyLooked) {
				return err
			}
		}
		pending = slices.DeleteFunc(pending, func(d *finding) bool { return d.done != later })
	}
	return nil
}

// confirmOne looks whether a file is still missing; else whether an entry is still
// there and a row stands for it by now.
func (rc *reconciler) confirmOne(ctx context.Context, t *journal.Tx, owner uuid.UUID, d *finding) error {
	d.done = stale
	if d.kind == findMissing {
		_, p, err := pathOf(ctx, t, owner, d.row.ID)
		if err != nil {
			return ignoreNotFound(err)
		}
		if info, err := rc.vol.disk.Lstat(p); err != nil || !info.Mode().IsRegular() {
			d.done = taken
		}
		return nil
	}
	info, err := rc.vol.disk.Lstat(d.path)
	if err != nil && !disk.Failed(err) || err == nil && d.info != nil && info.IsDir() != d.info.IsDir() {
		return nil
	}
	known := false
	switch {
	case d.kind == findRefused:
		err = nil
	case d.kind == findVersion:
		known, err = versionExists(ctx, t, d)
	case d.was != "":
		var rows map[uuid.UUID]placed
		rows, err = pathsOf(ctx, t, []uuid.UUID{d.row.ID})
		known = len(rows) > 0
	default:
		var it placed
		it, err = itemByPath(ctx, t, owner, strings.Split(strings.TrimPrefix(shown(d.path), "/"), "/"))
		known = err == nil && (info == nil || it.IsFile() != info.IsDir())
		err = ignoreNotFound(err)
	}
	if !known {
		d.done = taken
	}
	return err
}
