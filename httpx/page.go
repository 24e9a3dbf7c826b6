package httpx

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"
)

const (
	defaultLimit = 50
	maxLimit     = 500
)

// ErrInvalidCursor is a problem of every route that takes a cursor.
var ErrInvalidCursor = NewProblem(http.StatusBadRequest, "invalid_cursor", "The cursor is not valid")

// List is a page of a collection. Items is never null; NextCursor is null on
// the last page.
type List[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// LimitOf reads ?limit=.
func LimitOf(r *http.Request) (int, error) {
	s := r.URL.Query().Get("limit")
	if s == "" {
		return defaultLimit, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, ErrInvalidParameter.With("limit must be a whole number.")
	}
	return max(1, min(n, maxLimit)), nil
}

type cursor[K any] struct {
	Bound string `json:"b"`
	After K      `json:"a"`
}

func fingerprint(pattern string, bound []string) string {
	b, _ := json.Marshal(append([]string{pattern}, bound...)) // strings always encode
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

// Keyset is the page that a request asks for in a collection ordered by keys K: an
// id, a name, or a struct of what determines the order.
type Keyset[K any] struct {
	// Limit is how many items to read: one more than fits on the page, which
	// shows that there is a next one.
	Limit int
	after *K
	bound string
}

// After is the key after which the page begins; first is that of the first page.
func (p Keyset[K]) After(first K) K {
	if p.after == nil {
		return first
	}
	return *p.after
}

// KeysetOf reads ?limit= (default 50, clamped to 1 to 500) and ?cursor=. A cursor
// is valid for the path, the other parameters and the caller that it was given to;
// otherwise it is 400 invalid_cursor. It carries no authority: whoever edits one
// sees nothing that they may not see anyway.
func KeysetOf[K any](c *Call) (Keyset[K], error) {
	q := c.URL.Query()
	limit, err := LimitOf(c.Request)
	sent, there := q.Get("cursor"), q.Has("cursor")
	q.Del("limit")
	q.Del("cursor")
	bound := []string{c.URL.Path, q.Encode()}
	if c.Caller != nil {
		bound = append(bound, c.Caller.UserID.String())
	}
	p := Keyset[K]{Limit: limit + 1, bound: fingerprint(c.Pattern, bound)}
	if err != nil || !there {
		return p, err
	}
	text, err := base64.RawURLEncoding.DecodeString(sent)
	if err == nil {
		err = checkJSON(c.Context(), text, reflect.TypeFor[cursor[K]]())
	}
	var at cursor[K]
	if err != nil || json.Unmarshal(text, &at) != nil || at.Bound != p.bound {
		return p, ErrInvalidCursor.With("Use next_cursor from the previous page with the same parameters, or leave the cursor out to start over.")
	}
	p.after = &at.After
	return p, nil
}

// ListBy makes a page of the items that were read. An item too many shows that
// there is a next page.
func ListBy[K, T any](p Keyset[K], items []T, key func(T) K) List[T] {
	if len(items) < p.Limit {
		return List[T]{Items: items}
	}
	items = items[:p.Limit-1]
	text, _ := json.Marshal(cursor[K]{p.bound, key(items[len(items)-1])}) // keys always encode
	return List[T]{Items: items, NextCursor: new(base64.RawURLEncoding.EncodeToString(text))}
}
