package portfolio

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"homebase/httpx"
)

const (
	vary    = "Origin, Cookie, Authorization, Accept-Encoding"
	minGzip = 1 << 10 // bytes; less is not worth a header
)

// answer is what a read found: a body, or the place it has moved to. Without
// a tag the body's hash is one.
type answer struct {
	body     any
	tag      string
	location string
}

// page is an answer as bytes, ready to be sent. Nobody changes it or the
// values of its headers, so all answers share them.
type page struct {
	location      string
	plain, zipped coded
}

// coded is one coding of a page; without bytes there is none.
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

func newPage(a answer) (*page, error) {
	if a.location != "" {
		return &page{location: a.location}, nil
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(a.body); err != nil {
		return nil, err
	}
	if a.tag == "" {
		sum := sha256.Sum256(text.Bytes())
		a.tag = `"` + hex.EncodeToString(sum[:16]) + `"`
	}
	return &page{plain: newCoded(text.Bytes(), a.tag)}, nil
}

// zip prepares the page in gzip too, which is worth the work only for one that
// is sent often. Other bytes need another strong tag (RFC 9110, section
// 8.8.3.3).
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

// serve answers with 308, or in the coding that the client has already, of
// which httpx makes a 304, or else in the smaller one that it takes.
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
