package portfolio

import (
	"bytes"
	"compress/gzip"
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"homebase/auth"
	"homebase/httpx"
)

// The values of Cache-Control, shared by all answers.
var (
	cachePublic  = []string{"public, max-age=60, stale-while-revalidate=600"}
	cachePrivate = []string{"private, no-cache"} // for requests with credentials
	cacheNever   = []string{"private, no-store"} // for answers with drafts
)

// cacheControl is for what everyone may see. Shared caches may keep only answers to
// requests without credentials.
func cacheControl(r *http.Request) []string {
	if r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" {
		return cachePrivate
	}
	return cachePublic
}

// snapshot is what everyone may see at one moment, and the answers made from it.
type snapshot struct {
	content *content
	pages   sync.Map     // *page by path and query, which is all that they depend on
	size    atomic.Int64 // of all pages, in bytes
}

// maxSize is how much a snapshot keeps in bytes. A flood of different queries fills
// it once, and nothing more is kept.
const maxSize = 32 << 20

func (p *Portfolio) readSnapshot(ctx context.Context) (*snapshot, error) {
	c, err := p.load(ctx, p.DB)
	if err != nil {
		return nil, err
	}
	for kind, list := range c.entries {
		c.entries[kind] = slices.DeleteFunc(list, func(it item) bool { return it.placed().Status != published })
	}
	return &snapshot{content: c}, nil
}

// read answers with what build makes of the portfolio: for writers as it is now,
// with drafts, and for everyone else as it is in the snapshot. Errors are not kept.
func (p *Portfolio) read(w http.ResponseWriter, r *http.Request, build func(c *content) (*page, error)) error {
	if caller := httpx.CallerOf(r.Context()); caller != nil && caller.Can(auth.PortfolioWrite) {
		return p.readNow(w, r, build)
	}
	s, err := p.shown.Get(r.Context())
	if err != nil {
		return err
	}
	key := [2]string{r.URL.Path, r.URL.RawQuery}
	kept, _ := s.pages.Load(key)
	g, ok := kept.(*page)
	if !ok {
		if g, err = build(s.content); err != nil {
			return err
		}
		if s.size.Load() < maxSize {
			g.zip()
			s.pages.Store(key, g)
			s.size.Add(int64(len(g.plain.bytes) + len(g.zipped.bytes) + 8<<10)) // key and headers
		}
	}
	return g.serve(w, r, cacheControl(r))
}

// readNow answers with what build makes of the whole portfolio, drafts included.
func (p *Portfolio) readNow(w http.ResponseWriter, r *http.Request, build func(c *content) (*page, error)) error {
	c, err := p.load(r.Context(), p.DB)
	if err != nil {
		return err
	}
	g, err := build(c)
	if err != nil {
		return err
	}
	return g.serve(w, r, cacheNever)
}

const (
	vary    = "Origin, Cookie, Authorization, Accept-Encoding"
	minGzip = 1 << 10 // bytes; compressing less is not worth it
)

// page is the result of a read as bytes, ready to be sent. Answers share it and the
// values of its headers, so nobody may change them.
type page struct {
	location      string // where it moved to; then there is nothing else
	plain, zipped coded
}

// coded is a page in one content coding. Without bytes, the page has none of it.
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

// newPage encodes a body. Unless it has a tag, its hash is the tag.
func newPage(body any) (*page, error) {
	text, err := httpx.EncodeJSON(body)
	if err != nil {
		return nil, err
	}
	tag := httpx.ContentTag(text)
	if tagged, ok := body.(httpx.Tagged); ok {
		tag = tagged.ETag()
	}
	return &page{plain: newCoded(text, tag)}, nil
}

// zip also prepares the page in gzip, which is worth it only for a page that is sent
// often. Different bytes need a different strong tag (RFC 9110, section 8.8.3.3).
func (g *page) zip() {
	if len(g.plain.bytes) < minGzip {
		return
	}
	var small bytes.Buffer
	w := gzip.NewWriter(&small)
	_, _ = w.Write(g.plain.bytes) // a buffer takes everything
	_ = w.Close()
	g.zipped = newCoded(small.Bytes(), strings.TrimSuffix(g.plain.tag, `"`)+`-gzip"`)
	g.zipped.header.Set("Content-Encoding", "gzip")
}

// serve answers with 308, or in the coding that the client already has, which httpx
// turns into a 304, or else in the smaller one if the client accepts it.
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
	if g.zipped.bytes != nil && !httpx.IfNoneMatch(r.Header, g.plain.tag) &&
		(acceptsGzip(r.Header.Get("Accept-Encoding")) || httpx.IfNoneMatch(r.Header, g.zipped.tag)) {
		chosen = g.zipped
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
