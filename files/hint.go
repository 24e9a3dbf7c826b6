package files

import (
	"context"
	"net/http"
	"path"
	"sync"

	"homebase/db"

	"github.com/google/uuid"
)

// hints are folders in which files were just made, by path. Who puts a small
// new file beside them need not ask first where that is and whether the name
// is free: the commit looks at both anyway, and says to look again where the
// hint was wrong. Hints are bounded by being emptied.
type hints struct {
	mu      sync.Mutex
	folders map[hint]uuid.UUID
}

type hint struct {
	owner uuid.UUID
	path  string
}

const mostHints = 10_000

func (h *hints) get(owner uuid.UUID, path string) (uuid.UUID, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	id, ok := h.folders[hint{owner, path}]
	return id, ok
}

func (h *hints) put(owner uuid.UUID, path string, id uuid.UUID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.folders == nil || len(h.folders) >= mostHints {
		h.folders = map[hint]uuid.UUID{}
	}
	h.folders[hint{owner, path}] = id
}

func (h *hints) drop(owner uuid.UUID, path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.folders, hint{owner, path})
}

// hinted is byPath for a request that puts a file. At first it may give the
// spot of a new file in a folder that a hint knows; asked again, it looks. A
// body that is larger, or that its sender may spare, is worth the look.
func (f *Files) hinted(r *http.Request, owner uuid.UUID, names []string) finder {
	look := byPath(owner, names)
	for _, name := range []string{"If-Match", "If-None-Match", "Expect"} {
		if r.Header.Get(name) != "" {
			return look
		}
	}
	at := joinNames(names)
	folder, ok := f.hints.get(owner, path.Dir(at))
	if !ok || r.ContentLength < 0 || r.ContentLength > unreserved {
		return look
	}
	return func(ctx context.Context, q db.Querier) (spot, error) {
		if ok {
			ok = false
			return spot{parent: folder, name: path.Base(at), path: at}, nil
		}
		f.hints.drop(owner, path.Dir(at))
		return look(ctx, q)
	}
}
