package portfolio

import (
	"context"
	"net/http"
	"slices"
	"sync"

	"homebase/auth"
	"homebase/httpx"
)

// The values of Cache-Control, shared by all answers.
var (
	cachePublic  = []string{"public, max-age=60, stale-while-revalidate=600"}
	cachePrivate = []string{"private, no-cache"} // for whom credentials came along
	cacheNever   = []string{"private, no-store"} // with drafts in it
)

// cacheControl is for what everyone may see. Only an answer to a request
// without credentials may be kept by shared caches.
func cacheControl(r *http.Request) []string {
	if r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" {
		return cachePrivate
	}
	return cachePublic
}

// snapshot is what everyone may see, at one moment, and the answers that were
// made of it.
type snapshot struct {
	content *content

	mu    sync.RWMutex
	pages map[[2]string]*page // by path and query, all that they depend on
	size  int                 // of all pages, in bytes
}

// maxSize is how much a snapshot keeps. A flood of different queries fills the
// room once and no more.
const maxSize = 32 << 20

func (p *Portfolio) readSnapshot(ctx context.Context) (*snapshot, error) {
	c, err := p.whole(ctx)
	if err != nil {
		return nil, err
	}
	for kind, list := range c.entries {
		c.entries[kind] = slices.DeleteFunc(list, func(it item) bool { return it.placed().Status != published })
	}
	return &snapshot{content: c, pages: map[[2]string]*page{}}, nil
}

func (s *snapshot) page(key [2]string) (g *page, full bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.pages[key], s.size >= maxSize
}

func (s *snapshot) keep(key [2]string, g *page) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages[key] = g
	s.size += len(g.plain.bytes) + len(g.zipped.bytes) + 8<<10 // key and headers
}

// read answers with what build makes of the portfolio: for writers as it is
// now and with drafts, for everyone else as the snapshot has it. Refusals are
// not kept.
func (p *Portfolio) read(w http.ResponseWriter, r *http.Request, build func(c *content) (answer, error)) error {
	if caller := httpx.CallerOf(r.Context()); caller != nil && caller.Can(auth.PortfolioWrite) {
		return p.readNow(w, r, build)
	}
	s, err := p.shown.Get(r.Context())
	if err != nil {
		return err
	}
	key := [2]string{r.URL.Path, r.URL.RawQuery}
	g, full := s.page(key)
	if g == nil {
		a, err := build(s.content)
		if err != nil {
			return err
		}
		if g, err = newPage(a); err != nil {
			return err
		}
		if !full {
			g.zip()
			s.keep(key, g)
		}
	}
	return g.serve(w, r, cacheControl(r))
}

// readNow answers with what build makes of everything, drafts too.
func (p *Portfolio) readNow(w http.ResponseWriter, r *http.Request, build func(c *content) (answer, error)) error {
	c, err := p.whole(r.Context())
	if err != nil {
		return err
	}
	a, err := build(c)
	if err != nil {
		return err
	}
	g, err := newPage(a)
	if err != nil {
		return err
	}
	return g.serve(w, r, cacheNever)
}
