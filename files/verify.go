package files

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"homebase/cli"
	"homebase/db"

	"github.com/google/uuid"
)

// verifyPage is how many files are taken at a time. What was checked is
// written down after each, so that a run that is cut off is not in vain.
const verifyPage = 100

// verification is what reading every file again found. Damaged files look
// untouched and have other bytes than were stored.
type verification struct {
	Files    int64         `json:"files"` // and versions
	Bytes    int64         `json:"bytes"`
	Damaged  int64         `json:"damaged"`
	Changed  int64         `json:"changed"` // by somebody, past the API; a scan takes it over
	Missing  int64         `json:"missing"`
	Untaken  int64         `json:"untaken"`  // entries on the disk that no row stands for
	Problems []scanProblem `json:"problems"` // all of these
}

func (v *verification) mismatches() int64 { return v.Damaged + v.Changed + v.Missing }

func (v *verification) problem(count *int64, p, problem string) {
	*count++
	v.Problems = append(v.Problems, scanProblem{shown(p), problem})
}

// toCheck is a file that waits to be read.
type toCheck struct {
	id, owner uuid.UUID
	revision  int64 // of a version; 0: the file
	size      int64 // bytes
}

// verify reads the files that were not read since a moment, longest unread
// first. It takes no lock and is no writer; what is changed meanwhile is
// judged by the version that was opened. Which files these are is asked once.
func (rc *reconciler) verify(ctx context.Context, owner *uuid.UUID, since time.Time, rate int64, show func(v *verification, bytes, of int64)) (*verification, error) {
	const which = `-- name: files.FilesToCheck
		SELECT i.id, i.owner_id, i.revision, i.size
		  FROM (SELECT i.id, i.owner_id, 0::bigint AS revision, i.size, i.checked_at FROM items i WHERE i.kind = 1
		        UNION ALL
		        SELECT v.item_id, v.owner_id, v.revision, v.size, v.checked_at FROM versions v) i
		 WHERE ($1::uuid IS NULL OR i.owner_id = $1) AND coalesce(i.checked_at, '0001-01-01Z') < $2
		 ORDER BY i.checked_at NULLS FIRST, i.id, i.revision`
	const checked = `-- name: files.SetChecked
		WITH sound AS (
		    SELECT n.id, n.revision FROM unnest($1::uuid[], $2::bigint[]) AS n (id, revision)
		), versions_too AS (
		    UPDATE versions v SET checked_at = now() FROM sound s WHERE v.item_id = s.id AND v.revision = s.revision
		)
		UPDATE items i SET checked_at = now()
		  FROM (SELECT x.id FROM items x JOIN sound s ON s.id = x.id AND s.revision = 0 ORDER BY x.id FOR NO KEY UPDATE OF x) AS good
		 WHERE i.id = good.id`
	v := &verification{Problems: []scanProblem{}}
	list, err := db.All(ctx, rc.db, db.RowOf(func(c *toCheck) []any { return []any{&c.id, &c.owner, &c.revision, &c.size} }), which, owner, since)
	if err != nil {
		return v, err
	}
	of := int64(0)
	for _, c := range list {
		of += c.size
	}
	pace := &pace{ctx: ctx, rate: rate, began: time.Now()}
	for page := range slices.Chunk(list, verifyPage) {
		var good []uuid.UUID
		var revisions []int64
		for _, c := range page {
			sound, err := rc.check(ctx, c, v, pace)
			if err != nil {
				return v, err
			}
			if sound {
				good, revisions = append(good, c.id), append(revisions, c.revision)
			}
			show(v, pace.read, of)
		}
		if err := db.Exec(ctx, rc.db, checked, good, revisions); err != nil {
			return v, err
		}
	}
	return v, nil
}

// check reads one file and reports whether it is what was stored.
func (rc *reconciler) check(ctx context.Context, c toCheck, v *verification, pace *pace) (sound bool, err error) {
	got, err := rc.rd.open(ctx, rc.lookup(c), readPause)
	if errors.Is(err, db.ErrNotFound) {
		return false, nil // purged meanwhile
	}
	absent := errors.Is(err, errContentMissing) && !errors.Is(err, fs.ErrPermission)
	var sum []byte
	var info fs.FileInfo
	if err == nil {
		defer got.file.Close()
		if sum, err = sumOf(ctx, io.TeeReader(got.file, pace)); err == nil {
			info, err = got.file.Stat()
		}
	}
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	v.Files++
	switch {
	case absent:
		v.problem(&v.Missing, got.place, "missing")
	case err != nil:
		v.problem(&v.Damaged, got.place, "it cannot be read: "+err.Error())
	case !got.item.matches(info):
		v.problem(&v.Changed, got.place, "changed outside the API; homebase files scan takes it over")
	case !bytes.Equal(sum, got.item.SHA256):
		v.problem(&v.Damaged, got.place, "damaged: its bytes are not the ones that were stored")
	default:
		v.Bytes += info.Size()
		return true, nil
	}
	return false, nil
}

// lookup looks up a version, or a file in the tree, as readers do, or in the
// trash.
func (rc *reconciler) lookup(c toCheck) lookup {
	if c.revision > 0 {
		return rc.rd.version(c.owner, c.id, c.revision, true)
	}
	inTree := rc.rd.fileIn(c.owner, c.id, uuid.Nil)
	return func(ctx context.Context) (it readable, place string, err error) {
		if it, place, err = inTree(ctx); errors.Is(err, db.ErrNotFound) {
			it.item, place, err = pathOf(ctx, rc.db, c.owner, c.id)
		}
		return it, place, err
	}
}

// pace counts the bytes that are read, and takes its time for them: that of a rate in
// bytes a second; 0 is no limit.
type pace struct {
	ctx   context.Context
	rate  int64
	read  int64
	began time.Time
}

func (p *pace) Write(b []byte) (int, error) {
	p.read += int64(len(b))
	if p.rate > 0 {
		due := time.Duration(float64(p.read) / float64(p.rate) * float64(time.Second))
		if ahead := due - time.Since(p.began); ahead > 0 && !db.Sleep(p.ctx, ahead) {
			return 0, context.Cause(p.ctx)
		}
	}
	return len(b), nil
}

func (f *Files) verifyCommand(ctx context.Context, sh *cli.Shell, args []string) error {
	flags, who := sh.Flags("files verify"), ""
	rate := flags.Int64("rate", 0, "read at most this many `MB` a second; 0 means no limit")
	older := flags.Span("older-than", 0, "skip what was read within this `TIME`, such as 30d: this continues an interrupted run")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := flags.ParseOptional(args, &who); err != nil {
		return err
	}
	return f.asWorker(ctx, func() error {
		var only *uuid.UUID
		look := f.rc.untaken
		if who != "" {
			owners, err := ownersLike(ctx, f.db, who)
			if err != nil {
				return err
			}
			only = &owners[0].id
			look = func(ctx context.Context, give func(Untaken)) error { return f.rc.untakenOf(ctx, owners[0], give) }
		}
		line := cli.NewProgress(sh.Stderr)
		v, err := f.rc.verify(ctx, only, time.Now().Add(-*older), *rate*1e6, func(v *verification, bytes, of int64) {
			line.Show("%d files, %d of %d MB, %d not sound", v.Files, bytes/1e6, of/1e6, v.mismatches())
		})
		line.End()
		if err == nil {
			err = look(ctx, func(u Untaken) { v.problem(&v.Untaken, u.Path, u.Why) })
		}
		if err != nil {
			return err
		}
		if *asJSON {
			if err := json.NewEncoder(sh.Stdout).Encode(v); err != nil {
				return err
			}
		} else {
			for _, d := range v.Problems {
				fmt.Fprintf(sh.Stdout, "%q: %s\n", d.Path, d.Problem)
			}
			fmt.Fprintf(sh.Stdout, "%s sound (%s); %d damaged, %d changed from outside, %d missing; %s on the disk without a row.\n",
				cli.Count(v.Files-v.mismatches(), "file", "files"), cli.Count(v.Bytes, "byte", "bytes"), v.Damaged, v.Changed, v.Missing, cli.Count(v.Untaken, "entry", "entries"))
		}
		if n := v.mismatches(); n+v.Untaken > 0 {
			return fmt.Errorf("not what was stored: %s; on the disk without a row, so that nobody can see it: %s",
				cli.Count(n, "file", "files"), cli.Count(v.Untaken, "entry", "entries"))
		}
		return nil
	})
}
