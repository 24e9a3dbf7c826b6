package files

import (
	"context"
	"net/http"
	"path"

	"homebase/db"

	"github.com/google/uuid"
)

// hint is the path of a folder in which a file was just made. Who puts a small
// new file beside it need not ask first where that is and whether the name is
// free: the commit looks at both anyway, and says to look again where the hint
// was wrong.
type hint struct {
	owner uuid.UUID
	path  string
}

// hinted is byPath for a request that puts a file. At first it may give the
// spot of a new file in a folder that a hint knows; asked again, it looks. A
// body that is larger, or that its sender may spare, is worth the look.
func (wr *writer) hinted(r *http.Request, owner uuid.UUID, names []string) finder {
	look := byPath(owner, names)
	for _, name := range []string{"If-Match", "If-None-Match", "Expect"} {
		if r.Header.Get(name) != "" {
			return look
		}
	}
	at := joinNames(names)
	folder, ok := wr.hints.get(hint{owner, path.Dir(at)})
	if !ok || r.ContentLength < 0 || r.ContentLength > unreserved {
		return look
	}
	return func(ctx context.Context, q db.Querier) (spot, error) {
		if ok {
			ok = false
			return spot{parent: folder, name: path.Base(at), path: at}, nil
		}
		wr.hints.drop(hint{owner, path.Dir(at)})
		return look(ctx, q)
	}
}
