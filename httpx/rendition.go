package httpx

import (
	"cmp"
	"io"
	"net/http"
	"strconv"
)

// Rendition is a picture that was re-encoded for display, without EXIF data, GPS
// position or file name.
type Rendition struct {
	Content   io.ReadCloser
	Size      int64 // bytes
	MediaType string
	Tag       string // a strong ETag, with its quotes
}

// Serve answers with the picture, or with 304 if the client has it, and closes it.
func (p *Rendition) Serve(w http.ResponseWriter, cacheControl string) error {
	defer p.Content.Close()
	h := w.Header()
	h.Set("Cache-Control", cacheControl)
	h.Set("ETag", p.Tag)
	h.Set("Content-Type", p.MediaType)
	h.Set("Content-Length", strconv.FormatInt(p.Size, 10))
	_, err := io.Copy(w, p.Content)
	return err
}

// PictureSize reads ?size=, the pixels that a picture may have each way.
func PictureSize(r *http.Request, usual string) (int, error) {
	size, err := strconv.Atoi(cmp.Or(r.URL.Query().Get("size"), usual))
	if err != nil || size < 1 {
		return 0, ErrInvalidParameter.With("size must be a number of pixels.")
	}
	return size, nil
}
