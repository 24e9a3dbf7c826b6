package files

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"
	"homebase/files/picture"
	"homebase/httpx"

	"github.com/google/uuid"
)

var errNoPreview = httpx.NewProblem(415, "no_preview", "There is no preview of this file").
	With("Only JPEG, PNG and GIF pictures have one.")

// Pictures are drawn in sizes that double from the smallest to the largest:
// few, so that nobody can fill the cache with all the others.
const (
	smallestPicture = 64
	largestPicture  = 2048
	usualThumbnail  = "256"

	// renderer is raised when the same bytes are to be drawn differently: it
	// is a part of the tag.
	renderer = 1
	// drawWait is how long a request waits until its picture is drawn.
	drawWait = 20 * time.Second
)

// renditions draws pictures in small.
type renditions struct {
	*base
	rd *reader
	// drawing orders who does: the owners, and uuid.Nil for all.
	drawing    journal.Slots
	undrawable bounded[[sha256.Size]byte, *httpx.Problem] // contents that are not decoded for each request
	cacheAdded atomic.Int64                               // bytes since the cache was trimmed
}

// getThumbnail is GET and HEAD /files/items/{id}/thumbnail.
func (rn *renditions) getThumbnail(w http.ResponseWriter, r *http.Request, v visit) error {
	size, err := httpx.PictureSize(r, usualThumbnail)
	if err != nil {
		return err
	}
	small, err := rn.rendition(r.Context(), v.owner, v.item, size)
	if err != nil {
		return err
	}
	// As for the content: a browser that has it asks each time.
	return small.Serve(w, "private, no-cache")
}

// Image makes a rendition of anybody's picture, to be shown in public because
// its owner wants it so: it fits into size pixels each way, or into the next
// size that there is. httpx.ErrNotFound when there is none.
func (f *Files) Image(ctx context.Context, id uuid.UUID, size int) (httpx.Rendition, error) {
	const sql = `-- name: files.OwnerOfItem
		SELECT i.owner_id FROM items i WHERE i.id = $1`
	if err := f.vol.inPlace(); err != nil {
		return httpx.Rendition{}, httpx.ErrBusy.Because(err)
	}
	owner, err := db.One(ctx, f.db, db.Value[uuid.UUID], sql, id)
	if err != nil {
		return httpx.Rendition{}, err
	}
	small, err := f.rn.rendition(ctx, owner, id, size)
	if p, ok := errors.AsType[*httpx.Problem](err); ok && p.Status < 500 {
		err = httpx.ErrNotFound.Because(err)
	} else if ok {
		err = httpx.ErrBusy.Because(err)
	}
	return small, err
}

// Owns reports whether the item is a file of the user's and not in the trash.
func (f *Files) Owns(ctx context.Context, q db.Querier, user, id uuid.UUID) (bool, error) {
	it, err := itemByID(ctx, q, user, id)
	return err == nil && it.IsFile(), ignoreNotFound(err)
}

// rendition opens the picture in an owner's file as small as asked for. What
// decides is the content: another one has another rendition at once.
func (rn *renditions) rendition(ctx context.Context, owner, id uuid.UUID, asked int) (httpx.Rendition, error) {
	c, err := rn.rd.openContent(ctx, owner, id)
	if err != nil {
		return httpx.Rendition{}, err
	}
	defer c.file.Close()
	if !picture.Is(c.file) {
		return httpx.Rendition{}, errNoPreview
	}
	sum := c.item.SHA256
	if !c.proven {
		offer(rn.rd.outside, id)
		if sum, err = sumOf(ctx, io.NewSectionReader(c.file, 0, picture.MaxEncoded+1)); err != nil {
			return httpx.Rendition{}, rn.vol.diskError(err)
		}
	}
	size := smallestPicture
	for size < asked && size < largestPicture {
		size *= 2
	}
	name := fmt.Sprintf("%x-%d-%d", sum, size, renderer)
	if p, ok := rn.cached(name); ok {
		return p, nil
	}
	// One waits for each owner, and one is at work: however many ask, it
	// takes one core and the memory of one picture, and nobody's many
	// pictures hold up another's few.
	for _, whose := range []uuid.UUID{owner, uuid.Nil} {
		leave, err := rn.drawing.Take(ctx, whose, drawWait)
		if err != nil {
			return httpx.Rendition{}, err
		}
		defer leave()
	}
	// Who was in before may have drawn this very picture.
	if p, ok := rn.cached(name); ok {
		return p, nil
	}
	data, err := rn.draw(&c, sum, size)
	if err != nil {
		return httpx.Rendition{}, err
	}
	rn.keep(ctx, name, data)
	return httpx.Rendition{Content: io.NopCloser(bytes.NewReader(data)), Size: int64(len(data)),
		MediaType: http.DetectContentType(data), Tag: `"` + name + `"`}, nil
}

// draw makes the rendition, unless this content is known to have none.
func (rn *renditions) draw(c *content, sum []byte, size int) ([]byte, error) {
	if problem, ok := rn.undrawable.get([sha256.Size]byte(sum)); ok {
		return nil, problem
	}
	data, err := picture.Draw(c.file, c.info.Size(), size)
	if disk.Failed(err) {
		return nil, rn.vol.diskError(err)
	}
	// Bytes that are edited from outside meanwhile are not those of the sum.
	if changed := stillAs(c.info, c.file); changed != nil {
		return nil, httpx.ErrBusy.Because(changed)
	}
	if err == nil {
		return data, nil
	}
	problem := errNoPreview.With("The picture is damaged, or of a kind that is not supported.").Because(err)
	if large, ok := errors.AsType[picture.TooLarge](err); ok {
		problem = errNoPreview.With(large.Error())
	}
	rn.undrawable.put([sha256.Size]byte(sum), problem)
	return nil, problem
}
