package portfolio

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"homebase/auth"
	"homebase/httpx"

	"github.com/google/uuid"
)

const (
	vary = "Origin, Cookie, Authorization, Accept-Encoding"

	minGzip  = 1 << 10  // bytes; less is not worth a header
	maxPages = 1 << 10  // of a snapshot
	maxBytes = 32 << 20 // of all its pages
)

// The values of Cache-Control, shared by all answers.
var (
	cachePublic  = []string{"public, max-age=60, stale-while-revalidate=600"}
	cachePrivate = []string{"private, no-cache"} // for whom credentials came along
	cacheNever   = []string{"private, no-store"} // with drafts in it
)

// answer is what a read found: a body, or the place it has moved to. Without
// a tag the body's hash is one.
type answer struct {
	body     any
	tag      string
	location string
}

// coded is one coding of a page with the headers that belong to it. Nobody
// changes their values, so all answers share them.
type coded struct {
	bytes  []byte
	tag    string
	header http.Header
}

func newCoded(text []byte, tag string) coded {
	return coded{text, tag, http.Header{
		"Etag": {tag}, "Vary": {vary}, "Content-Type": {"application/json"}, "Content-Length": {strconv.Itoa(len(text))},
	}}
}

// page is an answer in bytes, ready to be sent. It is never changed.
type page struct {
	location string
	plain    coded
	zipped   coded // without bytes where it is not worth it
}

// encode makes the page; zip also prepares it in gzip, which is worth the
// work only for a page that is sent often.
func (a answer) encode(zip bool) (*page, error) {
	if a.location != "" {
		return &page{location: a.location}, nil
	}
	var text, small bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(a.body); err != nil {
		return nil, err
	}
	if a.tag == "" {
		sum := sha256.Sum256(text.Bytes())
		a.tag = `"` + hex.EncodeToString(sum[:16]) + `"`
	}
	g := &page{plain: newCoded(text.Bytes(), a.tag)}
	if zip && text.Len() >= minGzip {
		w := gzip.NewWriter(&small)
		_, _ = w.Write(g.plain.bytes) // a buffer takes everything
		_ = w.Close()
		// Other bytes need another strong tag (RFC 9110, section 8.8.3.3).
		g.zipped = newCoded(small.Bytes(), strings.TrimSuffix(a.tag, `"`)+`-gzip"`)
		g.zipped.header.Set("Content-Encoding", "gzip")
	}
	return g, nil
}

// serve answers with the page, or with 304 or 308.
func (g *page) serve(w http.ResponseWriter, r *http.Request, cacheControl []string) error {
	h := w.Header()
	h["Cache-Control"] = cacheControl
	if g.location != "" {
		h.Set("Vary", vary)
		h.Set("Location", g.location)
		w.WriteHeader(http.StatusPermanentRedirect)
		return nil
	}
	chosen := g.plain
	if g.zipped.bytes != nil && acceptsGzip(r.Header.Get("Accept-Encoding")) {
		chosen = g.zipped
	}
	if httpx.IfNoneMatch(r.Header, g.plain.tag) || g.zipped.bytes != nil && httpx.IfNoneMatch(r.Header, g.zipped.tag) {
		h.Set("Vary", vary)
		h.Set("ETag", chosen.tag)
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	maps.Copy(h, chosen.header)
	_, err := w.Write(chosen.bytes)
	return err
}

// acceptsGzip reads Accept-Encoding (RFC 9110, section 12.5.3).
func acceptsGzip(header string) bool {
	for item := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(item, ";")
		if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			weight, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(params), "q="), 64)
			return params == "" || err == nil && weight > 0
		}
	}
	return false
}

// cacheControl is for what everyone may see. Only an answer to a request
// without credentials may be kept by shared caches.
func cacheControl(r *http.Request) []string {
	if r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" {
		return cachePrivate
	}
	return cachePublic
}

// pageKey is a request as far as an answer depends on it.
type pageKey struct{ path, query string }

// snapshot is what everyone may see, at one moment.
type snapshot struct {
	content *content
	images  map[uuid.UUID]bool // that the content names

	mu    sync.RWMutex
	pages map[pageKey]*page
	bytes int // of all pages
}

func newSnapshot(p *Portfolio, c *content) *snapshot {
	p.projects.publish(c)
	p.skills.publish(c)
	p.experience.publish(c)
	p.education.publish(c)
	s := &snapshot{content: c, images: map[uuid.UUID]bool{}, pages: map[pageKey]*page{}}
	named := imagesOf(&c.Profile.ProfileFields)
	for i := range c.Projects {
		named = append(named, imagesOf(&c.Projects[i])...)
	}
	for _, id := range named {
		s.images[id] = true
	}
	return s
}

// page finds the answer to r or builds it. Refusals are not kept, and a
// flood of different queries fills the room for pages once and no more.
func (s *snapshot) page(r *http.Request, build func(c *content) (answer, error)) (*page, error) {
	key := pageKey{r.URL.Path, r.URL.RawQuery}
	s.mu.RLock()
	g, full := s.pages[key], len(s.pages) >= maxPages || s.bytes >= maxBytes
	s.mu.RUnlock()
	if g != nil {
		return g, nil
	}
	a, err := build(s.content)
	if err != nil {
		return nil, err
	}
	if g, err = a.encode(!full); err != nil || full {
		return g, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages[key] = g
	s.bytes += len(g.plain.bytes) + len(g.zipped.bytes)
	return g, nil
}

// read answers with what build makes of the portfolio: for writers as it is
// now and with drafts, for everyone else as the snapshot has it.
func (p *Portfolio) read(w http.ResponseWriter, r *http.Request, build func(c *content) (answer, error)) error {
	if caller := httpx.CallerOf(r.Context()); caller != nil && caller.Can(auth.PortfolioWrite) {
		return p.readNow(w, r, build)
	}
	s, err := p.published(r.Context())
	if err != nil {
		return err
	}
	g, err := s.page(r, build)
	if err != nil {
		return err
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
	g, err := a.encode(false)
	if err != nil {
		return err
	}
	return g.serve(w, r, cacheNever)
}

// forget gives up what is kept in memory.
func (p *Portfolio) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changes++
	p.current.Store(nil)
}

// published is the snapshot in memory if it can be trusted, else a new one.
// One that a change has overtaken while it was read is used once and not
// kept; nor is one kept that no notification could end.
func (p *Portfolio) published(ctx context.Context) (*snapshot, error) {
	fresh := p.DB.Listener().Fresh()
	if fresh {
		if s := p.current.Load(); s != nil {
			return s, nil
		}
		select {
		case p.filling <- struct{}{}:
			defer func() { <-p.filling }()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if s := p.current.Load(); s != nil {
			return s, nil
		}
	}
	p.mu.Lock()
	before := p.changes
	p.mu.Unlock()
	c, err := p.whole(ctx)
	if err != nil {
		return nil, err
	}
	s := newSnapshot(p, c)
	p.mu.Lock()
	defer p.mu.Unlock()
	if fresh && p.changes == before {
		p.current.Store(s)
	}
	return s, nil
}
