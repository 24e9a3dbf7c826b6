package portfolio

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
)

// Who may see an entry.
const (
	draft     = "draft"     // writers
	published = "published" // everyone
)

// item is an entry of one of the four kinds: *Project, *Skill, *Experience or
// *Education. Each embeds Entry and Placed, whose methods are the defaults.
type item interface {
	entry() *Entry
	placed() *Placed
	fields() any // a pointer to what can be written
	check(f *httpx.Fields)
	// same has equal keys for two entries that an import takes for the same, if
	// they also begin at the same time as far as both say when.
	same() (key, from string)
	segment() string     // names the entry in its path
	images() []uuid.UUID // the ids of the files that it shows
	claimSlug(c *content) error
	matches(q url.Values) bool // the filters of a list
}

// Entry holds what the platform sets in an entry of any kind.
type Entry struct {
	ID        uuid.UUID `json:"id"`
	Revision  int64     `json:"revision"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

var scanEntry = db.RowOf(func(e *Entry) []any { return []any{&e.ID, &e.Revision, &e.CreatedAt, &e.UpdatedAt} })

// ETag is the entry's tag.
func (e Entry) ETag() string { return httpx.RevisionTag(e.Revision) }

func (e *Entry) entry() *Entry            { return e }
func (e *Entry) segment() string          { return e.ID.String() }
func (e *Entry) images() []uuid.UUID      { return nil }
func (e *Entry) claimSlug(*content) error { return nil }
func (e *Entry) matches(url.Values) bool  { return true }

// Placed holds what a writer sets in an entry of any kind.
type Placed struct {
	Position int    `json:"position"` // absent in POST: at the end
	Status   string `json:"status"`   // draft or published
}

func (p *Placed) placed() *Placed { return p }

func (p *Placed) check(f *httpx.Fields) {
	if p.Status != draft && p.Status != published {
		f.Add("#/status", "invalid", "The status is draft or published.")
	}
	if p.Position < 0 || p.Position > 1_000_000 {
		f.Add("#/position", "invalid", "A position is a number from 0 to 1000000.")
	}
}

// Patch is the text of a JSON merge patch (RFC 7396) of F: members that it does not
// name stay as they are. Only members that can be null may be null; the others use
// "" or [].
type Patch[F any] struct {
	json.RawMessage `json:"-"`
}

// Of makes ReadJSON check the body against F.
func (Patch[F]) Of() reflect.Type { return reflect.TypeFor[F]() }

// merge fills next, a new value, with the members of old, replaced by those of patch.
// If patch were decoded into old itself, the elements of a new list would keep
// members of the old list's elements.
func merge(next, old any, patch json.RawMessage) error {
	all := members(old)
	maps.Copy(all, members(patch))
	return json.Unmarshal(encoded(all), next)
}

// members are the members of v as a JSON object.
func members(v any) map[string]json.RawMessage {
	m := map[string]json.RawMessage{}
	_ = json.Unmarshal(encoded(v), &m)
	return m
}

// encoded is a value as JSON. Our own types can always be encoded.
func encoded(v any) json.RawMessage {
	text, _ := json.Marshal(v)
	return text
}

const maxEntries = 200 // of a collection

var errFull = httpx.NewProblem(http.StatusConflict, "collection_full", "The collection is full").
	With(fmt.Sprintf("A collection has at most %d entries; delete one first.", maxEntries))

// collection is one ordered list of entries. What is different for each of the four
// is in the type of its entries.
type collection struct {
	p      *Portfolio
	kind   string // in paths, and in the table
	wild   string // the wildcard of an entry's path
	status string // of a new entry that names none
	blank  func() item
	// What depends on the types in the table of routes.
	body, list  any
	post, patch httpx.Typed
}

// newCollection makes a collection of entries T, whose writable part is F.
func newCollection[T, F any, P interface {
	*T
	item
}](p *Portfolio, kind, wild, status string) *collection {
	k := &collection{p: p, kind: kind, wild: wild, status: status, body: *new(T), list: httpx.List[T]{}}
	k.blank = func() item { return P(new(T)) }
	typed := func(it item, err error) (v T, _ error) {
		if err == nil {
			v = *it.(P)
		}
		return v, err
	}
	k.post = httpx.JSON(func(c *httpx.Call, in Patch[F]) (T, error) { return typed(k.postItem(c, in.RawMessage)) })
	k.patch = httpx.JSON(func(c *httpx.Call, in Patch[F]) (T, error) { return typed(k.patchItem(c, in.RawMessage)) })
	return k
}

func index(list []item, id uuid.UUID) int {
	return slices.IndexFunc(list, func(it item) bool { return it.entry().ID == id })
}

// find is the entry that the request's path names by its id, or by a slug that it has
// or once had.
func (k *collection) find(c *content, r *http.Request) (item, error) {
	id, err := httpx.PathID(r, k.wild)
	if err != nil {
		id = c.slugs[r.PathValue(k.wild)]
	}
	list := c.entries[k.kind]
	if i := index(list, id); i >= 0 {
		return list[i], nil
	}
	return nil, httpx.ErrNotFound
}

// matched is the entry of the path, if it still is as the client last saw it.
func (k *collection) matched(ed *edit, c *httpx.Call) (item, error) {
	it, err := k.find(ed.content, c.Request)
	if err != nil {
		return nil, err
	}
	return it, c.Match(it.entry().Revision)
}

// path is below httpx.Prefix.
func (k *collection) path(it item) string {
	return "/portfolio/" + k.kind + "/" + it.segment()
}

// getList serves a page of the entries that pass the filters.
func (k *collection) getList(w http.ResponseWriter, r *http.Request) error {
	return k.p.read(w, r, func(c *content) (*page, error) {
		q := r.URL.Query()
		p, err := httpx.KeysetOf[uuid.UUID](&httpx.Call{Request: r}) // without a caller: the page is the same for all
		if err != nil {
			return nil, err
		}
		if featured := q.Get("featured"); q.Has("featured") && featured != "true" && featured != "false" {
			return nil, httpx.ErrInvalidParameter.With("featured must be true or false.")
		}
		list := c.entries[k.kind]
		if after := p.After(uuid.Nil); after != uuid.Nil {
			at := index(list, after)
			if at < 0 {
				return nil, httpx.ErrInvalidCursor.With("The entry that this page starts after is gone; leave the cursor out to start over.")
			}
			list = list[at+1:]
		}
		items := []item{}
		for _, it := range list {
			if it.matches(q) && len(items) < p.Limit {
				items = append(items, it)
			}
		}
		return newPage(httpx.ListBy(p, items, func(it item) uuid.UUID { return it.entry().ID }))
	})
}

// getItem answers with the entry, or redirects from an old slug to its new path.
func (k *collection) getItem(w http.ResponseWriter, r *http.Request) error {
	return k.p.read(w, r, func(c *content) (*page, error) {
		it, err := k.find(c, r)
		if err != nil {
			return nil, err
		}
		if segment := r.PathValue(k.wild); segment != it.segment() && segment != it.entry().ID.String() {
			return &page{location: httpx.Prefix + k.path(it)}, nil
		}
		return newPage(it)
	})
}

func (k *collection) postItem(c *httpx.Call, patch json.RawMessage) (it item, err error) {
	err = k.p.change(c.Context(), func(ed *edit) (e audit.Event, err error) {
		it, err = k.write(ed, k.fresh(ed.content, k.status), patch)
		return k.event(audit.PortfolioCreated, it), err
	})
	if err == nil {
		c.Created(k.path(it))
	}
	return it, err
}

func (k *collection) patchItem(c *httpx.Call, patch json.RawMessage) (it item, err error) {
	err = k.p.change(c.Context(), func(ed *edit) (e audit.Event, err error) {
		if it, err = k.matched(ed, c); err != nil {
			return e, err
		}
		it, err = k.write(ed, it, patch)
		return k.event(audit.PortfolioUpdated, it), err
	})
	return it, err
}

func (k *collection) deleteItem(c *httpx.Call) error {
	return k.p.change(c.Context(), func(ed *edit) (e audit.Event, err error) {
		it, err := k.matched(ed, c)
		if err != nil {
			return e, err
		}
		err = db.Exec(ed.ctx, ed.tx, `-- name: portfolio.DeleteEntry
DELETE FROM portfolio_entries WHERE id = $1`, it.entry().ID)
		return k.event(audit.PortfolioDeleted, it), err
	})
}

// Order is the body of PUT …/order.
type Order struct {
	IDs []uuid.UUID `json:"ids" most:"200"` // these come first; the others follow in their present order
}

func (k *collection) putOrder(c *httpx.Call, in Order) error {
	return k.p.change(c.Context(), func(ed *edit) (e audit.Event, err error) {
		list, err := in.of(ed.entries[k.kind])
		for i, it := range list {
			if own := it.placed(); err == nil && own.Position != i+1 {
				own.Position = i + 1
				err = k.save(ed, it)
			}
		}
		return audit.Event{Action: audit.PortfolioReordered,
			Details: map[string]string{"kind": k.kind, "entries": strconv.Itoa(len(in.IDs))}}, err
	})
}

// of puts the list into this order.
func (o Order) of(list []item) (first []item, err error) {
	rest := slices.Clone(list)
	var f httpx.Fields
	for i, id := range o.IDs {
		at := index(rest, id)
		if at < 0 {
			f.Add("#/ids/"+strconv.Itoa(i), "unknown_or_twice", "There is no such entry, or it is named twice.")
			continue
		}
		first, rest = append(first, rest[at]), slices.Delete(rest, at, at+1)
	}
	return append(first, rest...), f.Err()
}

// fresh is a new entry at the end.
func (k *collection) fresh(c *content, status string) item {
	it := k.blank()
	it.entry().ID = uuid.Must(uuid.NewV7())
	*it.placed() = Placed{Position: 1, Status: status}
	if list := c.entries[k.kind]; len(list) > 0 {
		it.placed().Position = list[len(list)-1].placed().Position + 1
	}
	return it
}

// patched is a copy of it with the changes of a patch.
func (k *collection) patched(it item, patch json.RawMessage) (item, error) {
	next := k.blank()
	*next.entry() = *it.entry()
	return next, merge(next.fields(), it.fields(), patch)
}

// write stores the entry with the changes of the caller's patch.
func (k *collection) write(ed *edit, it item, patch json.RawMessage) (item, error) {
	next, err := k.patched(it, patch)
	if err == nil {
		err = k.p.ownImages(ed, "#/image_ids", it.images(), next.images())
	}
	if err == nil {
		err = k.save(ed, next)
	}
	return next, err
}

// save checks the entry and stores it; an entry without a revision is new. A slug is
// kept for as long as the project exists.
func (k *collection) save(ed *edit, it item) error {
	var f httpx.Fields
	it.placed().check(&f)
	it.check(&f)
	if err := f.Err(); err != nil {
		return err
	}
	e := it.entry()
	if e.Revision == 0 && len(ed.entries[k.kind]) >= maxEntries {
		return errFull
	}
	if err := it.claimSlug(ed.content); err != nil {
		return err
	}
	stored, err := db.One(ed.ctx, ed.tx, scanEntry, `-- name: portfolio.StoreEntry
WITH kept AS (
    INSERT INTO portfolio_slugs (slug, project_id)
    SELECT $4::jsonb ->> 'slug', $1 WHERE $4::jsonb ? 'slug'
        ON CONFLICT (slug) DO NOTHING)
INSERT INTO portfolio_entries (id, kind, revision, position, status, fields)
VALUES ($1, $2, $3, ($4::jsonb ->> 'position')::integer, $4::jsonb ->> 'status', $4::jsonb - 'position' - 'status')
    ON CONFLICT (id) DO UPDATE
   SET revision = excluded.revision, position = excluded.position, status = excluded.status,
       fields = excluded.fields, updated_at = now()
RETURNING id, revision, created_at, updated_at`, e.ID, k.kind, ed.revision, it.fields())
	if err == nil {
		*e = stored
	}
	return err
}

func (k *collection) event(action audit.Action, it item) audit.Event {
	return audit.Event{Action: action, Target: it.entry().ID, Details: map[string]string{"kind": k.kind}}
}
