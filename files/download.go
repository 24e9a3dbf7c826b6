package files

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"homebase/audit"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
)

// getContent is GET and HEAD /files/items/{id}/content.
func (rd *reader) getContent(w http.ResponseWriter, r *http.Request, v visit) error {
	return rd.serveContent(w, r, v.owner, v.item.String(), func() (uuid.UUID, error) { return v.item, nil })
}

// getPath is GET and HEAD /files/content/{path...}.
func (rd *reader) getPath(w http.ResponseWriter, r *http.Request, v visit) error {
	names := httpx.PathSegments(r, "path")
	if err := checkPath(names); err != nil {
		return err
	}
	return rd.serveContent(w, r, v.owner, joinNames(names), func() (uuid.UUID, error) {
		it, err := itemByPath(r.Context(), rd.db, v.owner, names)
		return it.ID, err
	})
}

// serveContent answers an owner with the bytes of the file that was asked for
// by a path or an id.
func (rd *reader) serveContent(w http.ResponseWriter, r *http.Request, owner uuid.UUID, asked string, find func() (uuid.UUID, error)) error {
	c, err := rd.openAsked(r.Context(), owner, asked, find)
	if err != nil {
		return err
	}
	return rd.serve(w, r, owner, c, func(bool) error {
		rd.audit.Note(r.Context(), journal.InTree(owner, audit.Event{Action: audit.FileDownload, Target: c.item.ID}))
		return nil
	})
}

// openAsked is openContent for an owner's own files, without a question to the
// database where the disk still shows what an earlier one told.
func (rd *reader) openAsked(ctx context.Context, owner uuid.UUID, asked string, find func() (uuid.UUID, error)) (c content, err error) {
	fresh := rd.db.Listener().Fresh()
	key, row, ok := rd.hub.known.get(owner, asked)
	if ok && fresh {
		if c, ok := rd.hub.known.open(rd.vol.disk, owner, row); ok {
			return c, nil
		}
	}
	id, err := find()
	if err != nil {
		return c, err
	}
	if c, err = rd.openContent(ctx, owner, id); err == nil && fresh {
		rd.hub.known.put(key, c)
	}
	return c, err
}

// serve answers with what is open. All that a request may ask of a read is
// judged here: httpx.ServeFile only carries it out, and nothing is counted
// that is not sent. permit is asked before the first of them, and told whether byte 0
// will be among them.
func (rd *reader) serve(w http.ResponseWriter, r *http.Request, owner uuid.UUID, c content, permit func(first bool) error) error {
	defer c.close()
	h := w.Header()
	if c.headers == nil {
		c.headers = headersOf(&c.item, c.info)
	}
	maps.Copy(h, c.headers)
	httpx.Stored(w)
	tag := c.item.contentTag()
	if !c.proven {
		tag = "W/" + `"` + c.info.ModTime().UTC().Format("20060102150405.000000000") + `"`
		h.Set("ETag", tag)
		h.Del("Repr-Digest")
		offer(rd.outside, c.item.ID)
	}
	modified := c.info.ModTime()
	if now := time.Now(); modified.After(now) {
		modified = now // RFC 9110, section 8.8.2.1: Last-Modified is never ahead of Date
		h.Set("Last-Modified", modified.UTC().Format(http.TimeFormat))
	}
	// What a page of another origin links to, it cannot mark as a download itself.
	if r.URL.RawQuery != "" && r.URL.Query().Get("download") == "true" {
		h.Set("Content-Disposition", "attachment"+dispositionName(c.item.Name))
	}
	unchanged, err := httpx.CheckRead(r.Header, tag, modified)
	if err != nil {
		return err
	}
	if unchanged {
		h.Del("Content-Type")
		h.Del("Last-Modified")
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	ranges, err := takeRanges(r.Header, tag, c.info.Size())
	if err != nil {
		return err
	}
	if r.Method == http.MethodGet {
		first := len(ranges) == 0 || slices.ContainsFunc(ranges, func(r byteRange) bool { return r.from == 0 })
		if err := permit(first); err != nil {
			return err
		}
	}
	httpx.ServeFile(w, r, c.file, c.info.Size())
	return nil
}

// headersOf are the headers of an item's bytes, whatever part of them is asked
// for: what they are, and a download unless the type is inert. Who sends them
// replaces values, and writes into none.
func headersOf(it *readable, info fs.FileInfo) http.Header {
	h := http.Header{}
	disposition, mediaType := "attachment", *it.MediaType
	if inert(mediaType) {
		disposition = "inline"
	}
	h.Set("Content-Disposition", disposition+dispositionName(it.Name))
	if strings.HasPrefix(mediaType, "text/") {
		mediaType = mime.FormatMediaType(mediaType, map[string]string{"charset": "utf-8"})
	}
	h.Set("Content-Type", mediaType)
	h.Set("ETag", it.contentTag())
	h.Set("Repr-Digest", reprDigest(it.SHA256))
	h.Set("Last-Modified", info.ModTime().UTC().Format(http.TimeFormat))
	return h
}

// dispositionName is the file name as RFC 6266 wants it: in ASCII for all,
// and in RFC 8187's form where that says less than the name.
func dispositionName(name string) string {
	ascii := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' || r == '%' {
			return '_'
		}
		return r
	}, name)
	s := `; filename="` + ascii + `"`
	if ascii != name {
		s += "; filename*=UTF-8''" + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
	}
	return s
}

func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
