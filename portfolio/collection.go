package portfolio

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Who may see an entry.
const (
	draft     = "draft"     // writers
	published = "published" // everyone
)

const maxEntries = 200 // of a collection

var errFull = httpx.NewProblem(http.StatusConflict, "collection_full", "The collection is full").
	With(fmt.Sprintf("A collection has at most %d entries; delete one first.", maxEntries))

// Entry is what the platform says of an entry of any kind.
type Entry struct {
	ID        uuid.UUID `json:"id"`
	Revision  int64     `json:"revision"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Placed is what a writer says of an entry of any kind.
type Placed struct {
	Position int    `json:"position"` // absent in POST: at the end
	Status   string `json:"status"`   // draft or published
}

func (e *Entry) entry() *Entry    { return e }
func (e *Entry) segment() string  { return e.ID.String() }
func (p *Placed) placed() *Placed { return p }

// entity is the pointer to a kind's type, which embeds Entry and F.
type entity[T, F any] interface {
	*T
	entry() *Entry
	placed() *Placed
	fields() *F
	segment() string // the entry's name in its path
	check(f *httpx.Fields)
	// same has equal keys for two entries that an import takes for one, if
	// they also begin at the same time as far as both say when.
	same() (key, from string)
}

// collection is one ordered list of entries of the type T. The kind gives the
// fields F that can be written and their checks; all else is the same.
type collection[T, F any, P entity[T, F]] struct {
	p      *Portfolio
	kind   string // in paths, and in the table
	wild   string // the wildcard of an entry's path
	status string // of a new entry that says nothing
	list   func(c *content) *[]T
}

// Patch is a JSON merge patch (RFC 7396) of F: what it does not name stays as
// it is. Null is for members that can be null; the others have "" or [].
type Patch[F any] struct{ text []byte }

// Of makes ReadJSON hold the body against F.
func (Patch[F]) Of() reflect.Type { return reflect.TypeFor[F]() }

// UnmarshalJSON keeps the text; ReadJSON has checked it.
func (p *Patch[F]) UnmarshalJSON(text []byte) error {
	p.text = bytes.Clone(text)
	return nil
}

// apply merges member by member, into a new F: encoding/json would mix the
// elements of an old list into those of a new one.
func (p Patch[F]) apply(dst *F) error {
	merged := members(dst)
	maps.Copy(merged, members(json.RawMessage(p.text)))
	text, err := json.Marshal(merged)
	if err != nil {
		return err
	}
	var next F
	err = json.Unmarshal(text, &next)
	*dst = next
	return err
}

// members are those of v as a JSON object.
func members(v any) map[string]json.RawMessage {
	m := map[string]json.RawMessage{}
	text, _ := json.Marshal(v) // our own types always encode
	_ = json.Unmarshal(text, &m)
	return m
}

func (k *collection[T, F, P]) load(ctx context.Context, q db.Querier, c *content) (err error) {
	*k.list(c), err = db.All(ctx, q, func(row pgx.Row) (v T, err error) {
		e := P(&v).entry()
		err = row.Scan(&e.ID, &e.Revision, &e.CreatedAt, &e.UpdatedAt, P(&v).fields())
		e.CreatedAt, e.UpdatedAt = e.CreatedAt.UTC(), e.UpdatedAt.UTC()
		P(&v).check(new(httpx.Fields)) // a row may be older than one of its lists
		return v, err
	}, `
-- name: portfolio.Entries
SELECT id, revision, created_at, updated_at, fields || jsonb_build_object('position', position, 'status', status)
  FROM portfolio_entries
 WHERE kind = $1
 ORDER BY position, id`, k.kind)
	return err
}

// publish leaves only what everyone may see.
func (k *collection[T, F, P]) publish(c *content) {
	*k.list(c) = slices.DeleteFunc(*k.list(c), func(v T) bool { return P(&v).placed().Status != published })
}

// find is the entry that the request's path names by its id or by a slug.
func (k *collection[T, F, P]) find(c *content, r *http.Request) (P, error) {
	id, err := httpx.PathID(r, k.wild)
	if err != nil {
		id = c.Slugs[r.PathValue(k.wild)]
	}
	list := *k.list(c)
	if i := k.index(list, id); i >= 0 {
		return &list[i], nil
	}
	return nil, httpx.ErrNotFound
}

func (k *collection[T, F, P]) index(list []T, id uuid.UUID) int {
	return slices.IndexFunc(list, func(v T) bool { return P(&v).entry().ID == id })
}

func (k *collection[T, F, P]) path(e P) string {
	return httpx.Prefix + "/portfolio/" + k.kind + "/" + e.segment()
}

// getList serves a page of what the filters leave: for projects ?tag= and
// ?featured=.
func (k *collection[T, F, P]) getList(w http.ResponseWriter, r *http.Request) error {
	return k.p.read(w, r, func(c *content) (answer, error) {
		q := r.URL.Query()
		page, err := httpx.PageOf(r, q["tag"]...)
		if err != nil {
			return answer{}, err
		}
		if featured := q.Get("featured"); q.Has("featured") && featured != "true" && featured != "false" {
			return answer{}, httpx.ErrInvalidParameter.With("featured must be true or false.")
		}
		list := *k.list(c)
		if page.After != nil {
			id, err := uuid.Parse(page.After[0])
			at := k.index(list, id)
			if err != nil || at < 0 {
				return answer{}, httpx.ErrInvalidCursor.With("The entry that this page starts after is gone; leave the cursor out to start over.")
			}
			list = list[at+1:]
		}
		items := []T{}
		for _, v := range list {
			if project, ok := any(v).(Project); (!ok || project.matches(q)) && len(items) <= page.Limit {
				items = append(items, v)
			}
		}
		return answer{body: httpx.ListOf(page, items, func(v T) []string { return []string{P(&v).entry().ID.String()} })}, nil
	})
}

// getItem answers with the entry, or from an old slug with its new place.
func (k *collection[T, F, P]) getItem(w http.ResponseWriter, r *http.Request) error {
	return k.p.read(w, r, func(c *content) (answer, error) {
		e, err := k.find(c, r)
		if err != nil {
			return answer{}, err
		}
		if segment := r.PathValue(k.wild); segment != e.segment() && segment != e.entry().ID.String() {
			return answer{location: k.path(e)}, nil
		}
		return answer{body: *e, tag: httpx.RevisionTag(e.entry().Revision)}, nil
	})
}

// write serves POST and PATCH.
func (k *collection[T, F, P]) write(w http.ResponseWriter, r *http.Request) error {
	in, err := httpx.ReadJSON[Patch[F]](w, r)
	if err != nil {
		return err
	}
	ctx, status, action := r.Context(), http.StatusOK, audit.PortfolioUpdated
	var e P
	err = k.p.change(ctx, func(tx pgx.Tx, c *content, revision int64) error {
		if r.Method == http.MethodPost {
			e, status, action = k.fresh(c, k.status), http.StatusCreated, audit.PortfolioCreated
		} else if e, err = k.matched(c, r); err != nil {
			return err
		}
		before := imagesOf(e)
		if err := in.apply(e.fields()); err != nil {
			return err
		}
		if err := k.p.ownImages(ctx, tx, "#/image_ids", before, imagesOf(e)); err != nil {
			return err
		}
		if err := k.save(ctx, tx, c, e, revision); err != nil {
			return err
		}
		return k.record(ctx, tx, action, e)
	})
	if err != nil {
		return err
	}
	if status == http.StatusCreated {
		w.Header().Set("Location", k.path(e))
	}
	w.Header().Set("ETag", httpx.RevisionTag(e.entry().Revision))
	return httpx.WriteJSON(w, status, *e)
}

func (k *collection[T, F, P]) delete(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	err := k.p.change(ctx, func(tx pgx.Tx, c *content, _ int64) error {
		e, err := k.matched(c, r)
		if err != nil {
			return err
		}
		if _, err := db.Exec(ctx, tx, `
-- name: portfolio.DeleteEntry
DELETE FROM portfolio_entries WHERE id = $1`, e.entry().ID); err != nil {
			return err
		}
		return k.record(ctx, tx, audit.PortfolioDeleted, e)
	})
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// Order is the body of PUT …/order.
type Order struct {
	IDs []uuid.UUID `json:"ids" most:"200"` // come first, in this order; what is not named follows as it was
}

func (k *collection[T, F, P]) order(w http.ResponseWriter, r *http.Request) error {
	in, err := httpx.ReadJSON[Order](w, r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	err = k.p.change(ctx, func(tx pgx.Tx, c *content, revision int64) error {
		rest := slices.Clone(*k.list(c))
		var first []T
		var f httpx.Fields
		for i, id := range in.IDs {
			at := k.index(rest, id)
			if at < 0 {
				f.Add("#/ids/"+strconv.Itoa(i), "unknown_or_twice", "There is no such entry, or it is named twice.")
				continue
			}
			first, rest = append(first, rest[at]), slices.Delete(rest, at, at+1)
		}
		if err := f.Err(); err != nil {
			return err
		}
		for i, v := range append(first, rest...) {
			if e := P(&v); e.placed().Position != i+1 {
				e.placed().Position = i + 1
				if err := k.save(ctx, tx, c, e, revision); err != nil {
					return err
				}
			}
		}
		return k.p.Audit.Record(ctx, tx, audit.Event{Action: audit.PortfolioReordered,
			Details: map[string]string{"kind": k.kind, "entries": strconv.Itoa(len(in.IDs))}})
	})
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// fresh is a new entry at the end.
func (k *collection[T, F, P]) fresh(c *content, status string) P {
	e := P(new(T))
	e.entry().ID = uuid.Must(uuid.NewV7())
	*e.placed() = Placed{Position: 1, Status: status}
	if list := *k.list(c); len(list) > 0 {
		e.placed().Position = P(&list[len(list)-1]).placed().Position + 1
	}
	return e
}

// matched is the entry of the path, if it is as the client believes.
func (k *collection[T, F, P]) matched(c *content, r *http.Request) (P, error) {
	e, err := k.find(c, r)
	if err != nil {
		return nil, err
	}
	return e, matches(r, e.entry().Revision)
}

func matches(r *http.Request, revision int64) error {
	if !httpx.IfMatch(r.Header, httpx.RevisionTag(revision)) {
		return httpx.ErrPreconditionFailed.With("If-Match names a revision other than the stored one; read it again.")
	}
	return nil
}

// save checks e and stores it; one without a revision is new.
func (k *collection[T, F, P]) save(ctx context.Context, tx db.Querier, c *content, e P, revision int64) error {
	own, placed := e.entry(), e.placed()
	var f httpx.Fields
	if placed.Status != draft && placed.Status != published {
		f.Add("#/status", "invalid", "The status is draft or published.")
	}
	if placed.Position < 0 || placed.Position > 1_000_000 {
		f.Add("#/position", "invalid", "A position is a number from 0 to 1000000.")
	}
	e.check(&f)
	if err := f.Err(); err != nil {
		return err
	}
	if own.Revision == 0 && len(*k.list(c)) >= maxEntries {
		return errFull
	}
	project, isProject := any(e).(*Project)
	if isProject {
		if err := c.claimSlug(project); err != nil {
			return err
		}
	}
	stored, err := db.One(ctx, tx, func(row pgx.Row) (v Entry, err error) {
		err = row.Scan(&v.CreatedAt, &v.UpdatedAt)
		return v, err
	}, `
-- name: portfolio.StoreEntry
INSERT INTO portfolio_entries (id, kind, revision, position, status, fields)
VALUES ($1, $2, $3, ($4::jsonb ->> 'position')::integer, $4::jsonb ->> 'status', $4::jsonb - 'position' - 'status')
    ON CONFLICT (id) DO UPDATE
   SET revision = excluded.revision, position = excluded.position, status = excluded.status,
       fields = excluded.fields, updated_at = now()
RETURNING created_at, updated_at`, own.ID, k.kind, revision, e.fields())
	if err != nil {
		return err
	}
	own.Revision, own.CreatedAt, own.UpdatedAt = revision, stored.CreatedAt.UTC(), stored.UpdatedAt.UTC()
	if isProject {
		return c.keepSlug(ctx, tx, project)
	}
	return nil
}

func (k *collection[T, F, P]) record(ctx context.Context, tx db.Querier, action audit.Action, e P) error {
	return k.p.Audit.Record(ctx, tx, audit.Event{Action: action, Target: e.entry().ID, Details: map[string]string{"kind": k.kind}})
}
