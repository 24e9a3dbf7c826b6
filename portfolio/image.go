package portfolio

import (
	"net/http"
	"slices"

	"homebase/httpx"

	"github.com/google/uuid"
)

const usualImage = "1024" // pixels each way

// getImage serves a picture that published content names. A picture that only a draft
// names is not found.
func (p *Portfolio) getImage(w http.ResponseWriter, r *http.Request) error {
	size, err := httpx.PictureSize(r, usualImage)
	if err != nil {
		return err
	}
	id, err := httpx.PathID(r, "id")
	if err != nil {
		return err
	}
	s, err := p.shown.Get(r.Context())
	if err != nil {
		return err
	}
	if !s.content.shows(id) {
		return httpx.ErrNotFound
	}
	picture, err := p.Image(r.Context(), id, size)
	if err != nil {
		return err
	}
	// A site on another domain shows it in an <img>.
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	return picture.Serve(w, cacheControl(r)[0])
}

// shows reports whether an entry or the profile names the file.
func (c *content) shows(id uuid.UUID) bool {
	return slices.Contains(c.profile.images(), id) ||
		slices.ContainsFunc(c.entries["projects"], func(it item) bool { return slices.Contains(it.images(), id) })
}

// ownImages refuses files that are not the caller's: otherwise whoever knows an id
// could publish somebody else's picture. Files that were named before may stay.
func (p *Portfolio) ownImages(ed *edit, pointer string, before, after []uuid.UUID) error {
	for _, id := range after {
		if slices.Contains(before, id) {
			continue
		}
		own, err := p.Owns(ed.ctx, ed.tx, httpx.CallerOf(ed.ctx).UserID, id)
		if err != nil {
			return err
		}
		if !own {
			return httpx.Invalid(pointer, "unknown", "You have no file "+id.String()+".")
		}
	}
	return nil
}
