package files

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Putting fills an empty data directory from a backup. The directory
// says that it is half restored, and the two get their common id at the end:
// until then no server starts on it, and whoever is cut off begins anew.
type Putting struct {
	vol *volume
	id  uuid.UUID
}

// PutBack prepares the data directory, which must hold nobody's files, or
// says how it is in use.
func (f *Files) PutBack() (*Putting, error) {
	if err := f.CheckEmpty(); err != nil {
		return nil, err
	}
	if err := f.vol.openDisk(false); err != nil {
		return nil, err
	}
	p := &Putting{vol: f.vol, id: journal.NewID()}
	return p, errors.Join(f.vol.disk.MakeLayout(), f.vol.disk.MarkHalfRestored())
}

// CheckEmpty says why the data directory cannot take a restored tree: a
// server runs on it, or it holds more than the empty folders of one that ran.
func (f *Files) CheckEmpty() error {
	dir, err := disk.Open(f.vol.dataDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	workers, err := dir.Names(disk.Workers)
	if err != nil {
		return err
	}
	for _, name := range workers {
		id, err := strconv.ParseInt(name, 10, 32)
		if err != nil {
			continue
		}
		lock, free, err := dir.LockWorker(int32(id))
		if err != nil {
			return err
		}
		if !free {
			return fmt.Errorf("a server is running on the data directory %s: stop it first", f.vol.dataDir)
		}
		lock.Close()
	}
	top, err := dir.Names(".")
	if err != nil {
		return err
	}
	own := []string{disk.MarkerFile, disk.Workers, disk.Cache, "lost+found"}
	for _, name := range top {
		if slices.Contains(own, name) {
			continue
		}
		below, err := dir.Names(name)
		if err != nil || len(below) > 0 || !slices.Contains([]string{disk.Users, disk.Spaces, disk.Trash, disk.Staging, disk.Purge, disk.Versions}, name) {
			if _, err := dir.Marker(); errors.Is(err, disk.ErrHalfRestored) {
				return err
			}
			return fmt.Errorf("the data directory %s is not empty: it holds %q. Restore into an empty one; nothing was changed", f.vol.dataDir, name)
		}
	}
	return nil
}

// Put makes a folder, or a file of what from gives, where the rows have it,
// and lets it carry its id and sum. What it returns has the times, inode, size
// and sum that the row has to have. Of a file that from fails to give whole,
// nothing stays.
func (p *Putting) Put(s Stored, from io.Reader) (Stored, error) {
	err := p.vol.disk.MakeWay(s.Place)
	if err != nil {
		return s, err
	}
	var entry *os.File
	if from != nil {
		entry, err = p.write(s.Place, s.MTime, from)
	} else if err = p.vol.disk.Mkdir(s.Place, s.ID); err == nil {
		entry, err = p.vol.disk.Folder(s.Place)
	}
	if err != nil {
		return s, err
	}
	defer entry.Close()
	info, err := entry.Stat()
	if err != nil {
		return s, err
	}
	var sum []byte
	s.Ino = disk.Inode(info)
	if from != nil {
		s.Size, s.MTime = info.Size(), disk.MTime(info)
		sum, err = hex.DecodeString(s.SHA256)
	}
	if err == nil && s.folder != nil {
		err = disk.SetTrashed(entry, *s.folder, s.name)
	}
	return s, errors.Join(err, disk.Mark(entry, s.ID, sum, info), p.vol.disk.Sync(entry))
}

// write makes a file of what from gives whole; the caller closes it.
func (p *Putting) write(at string, mtime int64, from io.Reader) (*os.File, error) {
	entry, err := p.vol.disk.Create(at)
	if err != nil {
		return nil, err
	}
	if _, err = io.Copy(entry, from); err == nil {
		err = disk.SetTime(entry, time.Unix(0, mtime))
	}
	if err != nil {
		return nil, errors.Join(err, entry.Close(), p.vol.disk.Remove(at))
	}
	return entry, nil
}

// PutLoose puts a folder, or a file of what from gives, where no row stands for
// it. What is there already stays.
func (p *Putting) PutLoose(at string, mtime int64, from io.Reader) error {
	if from == nil {
		return p.vol.disk.MakeFolder(at)
	}
	entry, err := p.write(at, mtime, from)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return entry.Close()
}

// Describe writes what Put returned to the rows, and what somebody changed
// past the API to its owner's ledger.
func (p *Putting) Describe(ctx context.Context, q db.Querier, list []Stored) error {
	const sql = `-- name: files.DescribeStored
		WITH put AS (
		    SELECT n.id, n.ino, n.mtime, n.size, decode(n.sha256, 'hex') AS sha256, coalesce(n.revision, 0) AS revision,
		           n.size - coalesce(v.size, i.size) AS more, i.owner_id
		      FROM jsonb_to_recordset($1::jsonb) AS n (id uuid, ino bigint, mtime bigint, size bigint, sha256 text, revision bigint)
		      JOIN items i ON i.id = n.id LEFT JOIN versions v ON v.item_id = n.id AND v.revision = n.revision
		), counted AS (
		    UPDATE trees t SET used = t.used + m.more, versions = t.versions + m.kept
		      FROM (SELECT owner_id, sum(more) AS more, coalesce(sum(more) FILTER (WHERE revision > 0), 0) AS kept
		              FROM put WHERE more <> 0 GROUP BY owner_id) AS m
		     WHERE t.owner_id = m.owner_id
		), kept AS (
		    UPDATE versions v SET ino = p.ino, size = p.size, mtime = p.mtime, sha256 = p.sha256
		      FROM put p WHERE p.revision > 0 AND v.item_id = p.id AND v.revision = p.revision
		)
		UPDATE items i
		   SET ino = p.ino, size = p.size,
		       mtime = CASE WHEN i.kind = 1 THEN p.mtime END, sha256 = CASE WHEN i.kind = 1 THEN p.sha256 END
		  FROM put p WHERE i.id = p.id AND p.revision = 0`
	return db.Exec(ctx, q, sql, list)
}

// Finish ties the database to the data directory. What belonged to the
// workers of then goes: their records, reservations and unfinished uploads.
// Feeds begin a new epoch, so that a mirror lists its tree anew instead of
// missing what was undone. Put made bytes durable, and here all their names
// become so.
func (p *Putting) Finish(ctx context.Context, tx pgx.Tx) error {
	syscall.Sync()
	const sql = `-- name: files.BeginAnew
		WITH records AS (DELETE FROM file_ops),
		     uploads AS (DELETE FROM uploads),
		     workers AS (DELETE FROM workers),
		     paired AS (UPDATE instance SET data_dir_id = $1)
		UPDATE trees t
		   SET reserved = 0, feed_epoch = gen_random_uuid(),
		       entries = (SELECT count(*) FROM items i WHERE i.owner_id = t.owner_id AND i.parent_id IS NOT NULL)`
	if err := db.Exec(ctx, tx, sql, p.id); err != nil {
		return err
	}
	return p.vol.disk.SetMarker(p.id)
}
