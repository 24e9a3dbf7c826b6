package files

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
)

// A scan makes the rows follow the disk, where people copy, rename and edit
// past the API. It has two halves. The comparison (compare.go) only reads and
// holds no lock, so what it finds may be the middle of somebody's upload. The
// adoption (adopt.go) takes the findings in small transactions under the
// owner's lock, when no change of this owner is between commit and rename,
// and looks at each again: what is different by then is left to the next
// scan. So a scan runs beside writers, and a crash leaves a tree that is
// adopted in part.
//
// It never writes into a file, never renames and never deletes. What is not
// on the disk becomes missing, which is a state of its row; when much is
// missing at once a disk is more likely at fault than a person, and nothing
// is changed.

// The kinds of differences between the disk and the rows.
const (
	diffNew      = "new"
	diffMoved    = "moved"
	diffChanged  = "changed"
	diffMissing  = "missing"
	diffReturned = "returned" // was missing, and is there again as it was
	diffUnmarked = "unmarked" // as the row says, without the attributes that name it
)

const (
	// settleTime is how long a file must have been left alone before its
	// bytes are believed: who copies may still be writing.
	settleTime = 2 * time.Second
	// massMissing and massShare (a twentieth) are how many of the known files
	// may be missing before a scan takes it for a fault.
	massMissing = 100
	massShare   = 20
	// mostProblems bounds what one report lists; all are counted.
	mostProblems = 100
)

var errMassAbsence = httpx.NewProblem(409, "mass_absence", "Too many files are missing").
	With("More than 5 % or 100 of the known files are not on the disk, so nothing was changed. Ask the operator whether a disk is not mounted; if they are gone for good: homebase files scan --accept-missing.")

// scanReport is what a scan found and did.
type scanReport struct {
	New      int64         `json:"new"`      // adopted: files and folders
	Moved    int64         `json:"moved"`    // found under another name or in another folder
	Changed  int64         `json:"changed"`  // other bytes than the row knew
	Missing  int64         `json:"missing"`  // known and not there; their rows stay
	Returned int64         `json:"returned"` // missing before, and there again
	Problems int64         `json:"problems"` // what could not be taken as it is
	Details  []scanProblem `json:"details"`  // the first hundred of them
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

func (s *scanReport) problem(place, problem string) {
	s.Problems++
	if len(s.Details) < mostProblems {
		s.Details = append(s.Details, scanProblem{shown(place), problem})
	}
	s.tell("problem: "+problem, place)
}

func (s *scanReport) tell(what, place string) {
	if s.told != nil {
		s.told(what, shown(place))
	}
}

// did counts a difference that was adopted.
func (s *scanReport) did(d *difference) {
	switch d.kind {
	case diffNew:
		s.New++
	case diffMoved:
		s.Moved++
	case diffChanged:
		s.Changed++
	case diffMissing:
		s.Missing++
	case diffReturned:
		s.Returned++
	default:
		return
	}
	s.tell(d.kind, d.place)
}

// shown is a place below the data directory as its owner knows it.
func shown(place string) string {
	if rest, ok := strings.CutPrefix(place, disk.Users+"/"); ok {
		_, rest, _ = strings.Cut(rest, "/")
		return "/" + rest
	}
	return place
}

// postScan is POST /files/scan.
func (f *Files) postScan(w http.ResponseWriter, r *http.Request, v visit) error {
	req, err := httpx.ReadJSON[scanRequest](w, r)
	if err != nil {
		return err
	}
	at, err := itemByID(r.Context(), f.db, v.owner, req.ItemID)
	if err != nil {
		return err
	}
	if at.isFile() {
		return errNotFolder.With("Name the folder that is to be scanned.")
	}
	report := &scanReport{Details: []scanProblem{}}
	if err := f.scan(r.Context(), v.owner, at, false, report); err != nil {
		return err
	}
	return httpx.WriteJSON(w, http.StatusOK, report)
}

type scanRequest struct {
	ItemID uuid.UUID `json:"item_id"` // a folder; the root for everything, the trash too
}

// scan compares what lies below a folder with its rows and adopts what is
// different. accept allows that much is missing. The trash and the sum of the
// sizes are looked at when the folder is the root.
func (f *Files) scan(ctx context.Context, owner uuid.UUID, at placed, accept bool, report *scanReport) error {
	c := &comparison{f: f, owner: owner, report: report, claimed: map[uuid.UUID]bool{}}
	known, err := knownFiles(ctx, f.db, owner, at.ID)
	if err != nil {
		return err
	}
	if err := c.compare(ctx, at); err != nil {
		return err
	}
	if err := f.disk.CheckInPlace(f.id); err != nil {
		return journal.ErrUnavailable.Because(err)
	}
	if !accept {
		missing, err := f.stillMissing(ctx, owner, c.diffs)
		if err != nil {
			return err
		}
		if missing > massMissing || missing*massShare > known {
			return errMassAbsence
		}
	}
	if err := f.adopt(ctx, owner, c.diffs, report); err != nil || at.Parent != nil {
		return err
	}
	return f.recount(ctx, owner, report)
}

// knownFiles counts the files below a folder, and for the root the trash too,
// that are not known to be missing.
func knownFiles(ctx context.Context, q db.Querier, owner, folder uuid.UUID) (int64, error) {
	const sql = `-- name: files.KnownFiles
		WITH RECURSIVE below AS (
		    SELECT i.id, i.kind, i.missing_at FROM items i WHERE i.id = $2
		    UNION ALL
		    SELECT c.id, c.kind, c.missing_at FROM below b JOIN items c ON c.parent_id = b.id
		)
		SELECT count(*) FROM below b JOIN items i ON i.id = b.id AND i.owner_id = $1
		 WHERE b.kind = 1 AND b.missing_at IS NULL`
	return db.One(ctx, q, db.Value[int64], sql, owner, folder)
}

// stillMissing counts the files that a second look does not find either:
// a folder that was moved during the comparison is not missing.
func (f *Files) stillMissing(ctx context.Context, owner uuid.UUID, diffs []*difference) (n int64, err error) {
	for _, d := range diffs {
		if d.kind != diffMissing || !d.item.isFile() {
			continue
		}
		_, place, err := placeOf(ctx, f.db, owner, d.item.ID)
		if errors.Is(err, db.ErrNotFound) {
			continue
		}
		if err != nil {
			return 0, err
		}
		info, err := f.disk.Lstat(place)
		if err == nil && info.Mode().IsRegular() {
			continue
		}
		if err != nil && disk.Failed(err) {
			return 0, err
		}
		n++
	}
	return n, nil
}

// recount sets what an owner uses to the sum of the sizes, under the owner's
// lock. The two differ only after a fault.
func (f *Files) recount(ctx context.Context, owner uuid.UUID, report *scanReport) error {
	const sql = `-- name: files.Recount
		UPDATE trees t
		   SET used = (SELECT coalesce(sum(i.size), 0)::bigint FROM items i WHERE i.owner_id = $1)
		 WHERE t.owner_id = $1
		RETURNING t.used`
	c := journal.Change{Owner: owner, Decide: func(ctx context.Context, t *journal.Tx) error {
		used, err := db.One(ctx, t, db.Value[int64], sql, owner)
		report.Used, report.UsedBefore = &used, new(t.Tree.Used)
		return err
	}}
	return f.journal.Commit(ctx, c)
}
