package portfolio

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/url"
	"reflect"
	"time"

	"homebase/httpx"

	"github.com/google/uuid"
)

// Who may see an entry.
const (
	draft     = "draft"     // writers
	published = "published" // everyone
)

// item is an entry of one of the four kinds: *Project, *Skill, *Experience or
// *Education. Entry and Placed, which each of them embeds, answer for a kind
// that has nothing of its own to say.
type item interface {
	entry() *Entry
	placed() *Placed
	fields() any // a pointer to what can be written
	check(f *httpx.Fields)
	// same has equal keys for two entries that an import takes for one, if
	// they also begin at the same time as far as both say when.
	same() (key, from string)
	segment() string     // names the entry in its path
	images() []uuid.UUID // the files that it shows
	claimSlug(c *content) error
	matches(q url.Values) bool // the filters of a list
}

// Entry is what the platform says of an entry of any kind.
type Entry struct {
	ID        uuid.UUID `json:"id"`
	Revision  int64     `json:"revision"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

func (e *Entry) entry() *Entry            { return e }
func (e *Entry) segment() string          { return e.ID.String() }
func (e *Entry) images() []uuid.UUID      { return nil }
func (e *Entry) claimSlug(*content) error { return nil }
func (e *Entry) matches(url.Values) bool  { return true }

// Placed is what a writer says of an entry of any kind.
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

// body is the text of a request body, for a handler that reads it itself.
type body struct{ text json.RawMessage }

// UnmarshalJSON keeps the text.
func (b *body) UnmarshalJSON(text []byte) error {
	b.text = bytes.Clone(text)
	return nil
}

// Patch is a JSON merge patch (RFC 7396) of F: what it does not name stays as
// it is. Null is for members that can be null; the others have "" or [].
type Patch[F any] struct{ body }

// Of makes ReadJSON hold the body against F.
func (Patch[F]) Of() reflect.Type { return reflect.TypeFor[F]() }

// merge fills next, a new value, with the members of old, and with those of
// patch in their place. Read into old itself, the elements of a new list would
// keep what those of the old one said.
func merge(next, old any, patch json.RawMessage) error {
	all := members(old)
	maps.Copy(all, members(patch))
	return json.Unmarshal(encoded(all), next)
}

// members are those of v as a JSON object.
func members(v any) map[string]json.RawMessage {
	m := map[string]json.RawMessage{}
	_ = json.Unmarshal(encoded(v), &m)
	return m
}

// encoded is a value of our own types as JSON, which always works.
func encoded(v any) json.RawMessage {
	text, _ := json.Marshal(v)
	return text
}
