package portfolio

import (
	"cmp"
	"io"
	"net/http"
	"strconv"

	"homebase/httpx"
)

// Rendition is a picture made for showing: without EXIF, GPS and the name of
// its file. The original is never shown.
type Rendition struct {
	Content   io.ReadCloser // an *os.File is sent by the kernel
	Size      int64         // bytes
	MediaType string
	Tag       string // a strong ETag, with its quotes
}

// The sizes there are double from the smallest to the largest: a few, so that
// nobody can fill the cache folder with all the others.
const (
	smallestImage = 256
	largestImage  = 2048
	usualImage    = "1024"
)

// getImage serves a picture that published content names. What only a draft
// names is not there.
func (p *Portfolio) getImage(w http.ResponseWriter, r *http.Request) error {
	asked, err := strconv.Atoi(cmp.Or(r.URL.Query().Get("size"), usualImage))
	if err != nil || asked < 1 {
		return httpx.ErrInvalidParameter.With("size must be a number of pixels.")
	}
	size := smallestImage
	for size < asked && size < largestImage {
		size *= 2
	}
	id, err := httpx.PathID(r, "id")
	if err != nil {
		return err
	}
	s, err := p.published(r.Context())
	if err != nil {
		return err
	}
	if p.Image == nil || !s.images[id] {
		return httpx.ErrNotFound
	}
	picture, err := p.Image(r.Context(), id, size)
	if err != nil {
		return err
	}
	defer picture.Content.Close()
	h := w.Header()
	h.Set("Cache-Control", cacheControl(r))
	// A site on another domain shows it in an <img>.
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("ETag", picture.Tag)
	if httpx.IfNoneMatch(r, picture.Tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", picture.MediaType)
	h.Set("Content-Length", strconv.FormatInt(picture.Size, 10))
	_, err = io.Copy(w, picture.Content)
	return err
}
