package files

import (
	"cmp"
	"context"
	"slices"

	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
)

// Reconciling makes the rows follow the disk, where people copy, rename and
// edit past the API. It has two halves. The look (look.go) only reads and holds
// no lock, so what it finds may be the middle of somebody's upload. The
// taking over (takeover.go) goes in small transactions under the owner's lock
// and looks at each finding again: what is different by then is left to the
// next time. So it runs beside writers, and a crash leaves a tree that is taken
// over in part. A rebuild is the same from no rows.
//
// It never writes into a file, never renames and never deletes. What is not
// on the disk becomes missing, which is a state of its row; when much is
// missing at once a disk is more likely at fault than a person, and what is
// missing stays as it is.

const (
	// massMissing and massShare (a twentieth) are how many of the known files
	// may be missing before a scan takes it for a fault. Below massFrom known
	// files a share says nothing.
	massMissing = 100
	massShare   = 20
	massFrom    = 20
)

var errMassAbsence = httpx.NewProblem(409, "mass_absence", "Too many files are missing").
	With("More than 5 % or 100 of the known files are missing from the disk, so they were left as they are; everything else was taken over. Ask the operator whether a disk is not mounted; if the files are gone for good: homebase files scan --accept-missing.")

// reconciler compares the disk with the rows and makes these follow.
type reconciler struct {
	changer
	rd *reader
}

// scanReport is what a scan found and did.
type scanReport struct {
	New      int64         `json:"new"`      // taken over: files and folders
	Moved    int64         `json:"moved"`    // found under another name or in another folder
	Changed  int64         `json:"changed"`  // other bytes than the row knew
	Missing  int64         `json:"missing"`  // known and not there; their rows stay
	Returned int64         `json:"returned"` // missing before, and there again
	Versions int64         `json:"versions"` // taken over
	Problems []scanProblem `json:"problems"` // what could not be taken as it is
	// Used is the sum of the sizes, UsedBefore what was on record; both are
	// absent when only a folder was scanned.
	UsedBefore *int64 `json:"used_before,omitempty"`
	Used       *int64 `json:"used,omitempty"`

	told func(what, where string) // of each finding as it happens; may be nil
}

type scanProblem struct {
	Path    string `json:"path"`
	Problem string `json:"problem"`
}

func (s *scanReport) problem(p, problem string) {
	s.Problems = append(s.Problems, scanProblem{shown(p), problem})
	s.tell("problem: "+problem, p)
}

func (s *scanReport) tell(what, p string) {
	if s.told != nil {
		s.told(what, shown(p))
	}
}

// did counts a finding that was taken over.
func (s *scanReport) did(d *finding) {
	counts := map[string]*int64{findNew: &s.New, findMoved: &s.Moved, findChanged: &s.Changed, findMissing: &s.Missing,
		findReturned: &s.Returned, findVersion: &s.Versions}
	if n := counts[d.kind]; n != nil {
		*n++
		s.tell(d.kind, d.path)
	}
}

// shown is a path below the data directory as its owner knows it.
func shown(p string) string {
	if inside, ok := disk.Inside(p); ok {
		return cmp.Or(inside, "/")
	}
	return p
}

// postScan is POST /files/scan.
func (rc *reconciler) postScan(c *httpx.Call, req scanRequest) (scanReport, error) {
	report := scanReport{Problems: []scanProblem{}}
	ctx, v, err := rc.trees.enterTreeOf(c.Context(), req.ItemID, editor)
	if err == nil {
		err = v.givable()
	}
	if err != nil {
		return report, err
	}
	at, err := itemByID(ctx, rc.db, v.owner, req.ItemID)
	if err != nil {
		return report, err
	}
	if at.IsFile() {
		return report, errNotFolder.With("Name the folder to scan.")
	}
	err = rc.reconcile(ctx, v.owner, at, false, &report)
	return report, err
}

type scanRequest struct {
	ItemID uuid.UUID `json:"item_id"` // a folder; the root for everything, the trash too
}

// reconcile looks at what lies below a folder and takes over what is
// different. accept allows that much is missing. The trash and the sum of the
// sizes are looked at when the folder is the root.
func (rc *reconciler) reconcile(ctx context.Context, owner uuid.UUID, at placed, accept bool, report *scanReport) error {
	list, err := rc.lookAt(ctx, owner, at)
	if err != nil {
		return err
	}
	if err := rc.vol.disk.CheckInPlace(rc.vol.id); err != nil {
		return journal.ErrUnavailable.Because(err)
	}
	var absence error
	if !accept {
		much, err := rc.muchIsMissing(ctx, owner, at, list)
		if err != nil {
			return err
		}
		if much {
			absence = errMassAbsence
			list = slices.DeleteFunc(list, func(d *finding) bool { return d.kind == findMissing })
		}
	}
	if err := rc.takeOver(ctx, owner, list, report); err != nil {
		return err
	}
	if at.Parent == nil {
		err = rc.recount(ctx, owner, report)
	}
	return cmp.Or(err, absence)
}

// muchIsMissing counts the files that a second look does not find either, and holds
// them against those below the folder that were not known to be missing: at the root
// all of an owner's, the trash too.
func (rc *reconciler) muchIsMissing(ctx context.Context, owner uuid.UUID, at placed, list []*finding) (bool, error) {
	const sql = `-- name: files.KnownFiles
		SELECT count(*) FROM items i
		 WHERE i.owner_id = $1 AND i.kind = 1 AND i.missing_at IS NULL
		   AND ($3 OR i.id IN (SELECT b.id FROM item_below($2) b))`
	list = slices.DeleteFunc(slices.Clone(list), func(d *finding) bool { return d.kind != findMissing || !d.row.IsFile() })
	if err := rc.confirm(ctx, owner, list); err != nil {
		return false, err
	}
	missing := int64(0)
	for _, d := range list {
		if d.done == taken {
			missing++
		}
	}
	known, err := db.One(ctx, rc.db, db.Value[int64], sql, owner, at.ID, at.Parent == nil)
	return missing > massMissing || known >= massFrom && missing*massShare > known, err
}

// recount sets what an owner uses to what the rows say, under the owner's lock.
// The two differ only after a fault.
func (rc *reconciler) recount(ctx context.Context, owner uuid.UUID, report *scanReport) error {
	const sql = `-- name: files.Recount
		UPDATE trees t
		   SET (used, entries, versions) = (
		       SELECT i.size + v.size, i.entries, v.size
		         FROM (SELECT coalesce(sum(x.size), 0)::bigint AS size, count(*) FILTER (WHERE x.parent_id IS NOT NULL) AS entries FROM items x WHERE x.owner_id = $1) i,
		              (SELECT coalesce(sum(x.size), 0)::bigint AS size FROM versions x WHERE x.owner_id = $1) v)
		 WHERE t.owner_id = $1
		RETURNING t.used`
	c := journal.Change{Owner: owner, Decide: func(ctx context.Context, t *journal.Tx) error {
		used, err := db.One(ctx, t, db.Value[int64], sql, owner)
		report.Used, report.UsedBefore = &used, new(t.Tree.Used)
		return err
	}}
	return rc.journal.Commit(ctx, c)
}
