package portfolio

import (
	"context"
	"net/http"
	"slices"

	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
)

const usualImage = "1024" // pixels each way

// getImage serves a picture that published content names. What only a draft
// names is not there.
func (p *Portfolio) getImage(w http.ResponseWriter, r *http.Request) error {
	size, err := httpx.PictureSize(r, usualImage)
	if err != nil {
		return err
	}
	id, err := httpx.PathID(r, "id")
	if err != nil {
		return err
	}
	s, err := p.published(r.Context())
	if err != nil {
		return err
	}
	if !s.images[id] {
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

// imagesOf are the files that a *Project or *ProfileFields names.
func imagesOf(v any) []uuid.UUID {
	switch v := v.(type) {
	case *Project:
		return v.ImageIDs
	case *ProfileFields:
		if v.ImageID != nil {
			return []uuid.UUID{*v.ImageID}
		}
	}
	return nil
}

// ownImages refuses files that are not the caller's, else whoever knows an id
// could publish another's picture. What was named before stays.
func (p *Portfolio) ownImages(ctx context.Context, tx db.Querier, pointer string, before, after []uuid.UUID) error {
	for _, id := range after {
		if slices.Contains(before, id) {
			continue
		}
		own, err := p.Owns(ctx, tx, httpx.CallerOf(ctx).UserID, id)
		if err != nil {
			return err
		}
		if !own {
			var f httpx.Fields
			f.Add(pointer, "unknown", "You have no file "+id.String()+".")
			return f.Err()
		}
	}
	return nil
}
