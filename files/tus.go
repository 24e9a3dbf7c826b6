package files

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"homebase/db"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
)

// Resumable uploads, tus 1.0.0. An upload is a row of uploads and a staging
// file that belong to no worker: any of them goes on where another was
// killed.
//
//	POST   row and reservation, then the file, then 201
//	PATCH  lock; cut the file to the durable offset; bytes, fdatasync, then
//	       the offset and the running SHA-256, again and again; 204
//	last   the commit of a PUT, which also ends the upload; then publish, 204
//
// A kill leaves an upload at its durable offset, which HEAD tells. Clients
// take every refusal of HEAD but 423 for the end of the upload, and an offset
// equal to the length for its success: so what passes by itself is 423, and
// HEAD first finishes an upload whose bytes are all there.
const (
	tusVersion    = "1.0.0"
	tusExtensions = "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination"
	offsetType    = "application/offset+octet-stream"
)

var (
	errTusVersion = &httpx.Problem{Status: 412, Code: "unsupported_tus_version", Title: "This version of tus is not supported",
		Detail: "Send Tus-Resumable: 1.0.0.", Header: map[string]string{"Tus-Version": tusVersion}}
	errUploadLength  = httpx.NewProblem(400, "invalid_upload_length", "The upload's length is not valid")
	errUploadOffset  = httpx.NewProblem(400, "invalid_upload_offset", "Upload-Offset must be a number of bytes")
	errOffsetDiffers = httpx.NewProblem(409, "upload_offset_mismatch", "The upload is at a different offset").With("Continue from the Upload-Offset of this response.")
	errUploadExpired = httpx.NewProblem(410, "upload_expired", "The upload has expired").With("Start it again.")
	errConcat        = httpx.NewProblem(400, "concatenation_not_offered", "Uploads in parallel parts are not supported").With("Send the file in one upload, without Upload-Concat.")
)

// uploads are the resumable ones.
type uploads struct {
	changer
	wr   *writer
	held sync.Map // *seized by id: those whose lock this worker has
}

// tus says the version in every answer and asks for it.
func (up *uploads) tus(h httpx.Handler) httpx.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Tus-Resumable", tusVersion)
		version := r.Header.Get("Tus-Resumable")
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		if version != tusVersion && (version != "" || !reads) {
			return errTusVersion
		}
		err := h(w, r)
		if r.Method == http.MethodHead {
			err = passing(err)
		}
		return err
	}
}

// passing turns an error that passes by itself into 423.
func passing(err error) error {
	kind, _ := db.KindOf(err)
	p, ok := errors.AsType[*httpx.Problem](err)
	if kind == db.Busy || kind == db.Unavailable || errors.Is(err, db.ErrOutcomeUnknown) ||
		ok && p.Status == http.StatusServiceUnavailable {
		return errLocked.Because(err)
	}
	return err
}

// optionsUploads is OPTIONS /files/uploads: what is offered.
func (up *uploads) optionsUploads(w http.ResponseWriter, _ *http.Request) error {
	h := w.Header()
	h.Set("Tus-Resumable", tusVersion)
	h.Set("Tus-Version", tusVersion)
	h.Set("Tus-Extension", tusExtensions)
	h.Set("Tus-Checksum-Algorithm", "sha1,sha256")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// postUpload is POST /files/uploads, with or without a first chunk. When that
// chunk fails the upload goes: its client does not know where it is.
func (up *uploads) postUpload(w http.ResponseWriter, r *http.Request) error {
	length, metadata, err := checkCreation(r.Header)
	if err != nil {
		return err
	}
	c, err := chunkOf(w, r)
	if err != nil {
		return err
	}
	withBody := r.Header.Get("Content-Type") == offsetType
	if withBody && length != nil && c.length > *length {
		return errUploadTooLong
	}
	d, err := parseDestination(metadata)
	if err != nil {
		return err
	}
	ctx, v, err := up.enter(r.Context(), d)
	if err != nil {
		return err
	}
	at, err := d.find(v.owner)(ctx, up.db)
	if err == nil && length != nil {
		err = up.vol.checkFree(*length)
	}
	if err != nil {
		return err
	}
	x, err := up.openUpload(ctx, v.owner, length, at.displaced(), metadata)
	if err != nil {
		return err
	}
	defer up.letGo(x)
	if withBody {
		err = up.receiveChunk(ctx, x, c)
	}
	if err == nil && x.complete() {
		err = up.finish(ctx, x)
	}
	if err != nil {
		up.abandon(ctx, x.upload)
		return err
	}
	w.Header().Set("Location", httpx.Prefix+"/files/uploads/"+x.id.String())
	x.describe(w.Header())
	w.WriteHeader(http.StatusCreated)
	return nil
}

// enter opens the tree that an upload goes to: that of its folder or its space,
// else the caller's own.
func (up *uploads) enter(ctx context.Context, d destination) (context.Context, visit, error) {
	if d.parent != nil && d.space == uuid.Nil {
		return up.trees.enterTreeOf(ctx, *d.parent, editor)
	}
	return up.trees.enter(ctx, visit{owner: cmp.Or(d.space, httpx.CallerOf(ctx).UserID)}, editor)
}

// checkCreation reads the headers of a creation; length is nil when it is
// told later.
func checkCreation(h http.Header) (length *int64, metadata string, err error) {
	if h.Get("Upload-Concat") != "" {
		return nil, "", errConcat
	}
	lengths, deferred := h.Values("Upload-Length"), h.Values("Upload-Defer-Length")
	switch {
	case len(lengths)+len(deferred) != 1:
		return nil, "", errUploadLength.With("Send either Upload-Length or Upload-Defer-Length, once.")
	case len(deferred) == 1 && deferred[0] != "1":
		return nil, "", errUploadLength.With("Upload-Defer-Length can only be 1.")
	case len(lengths) == 1:
		n, ok := parseSize(lengths[0])
		if !ok {
			return nil, "", errUploadLength.With("Upload-Length must be a number of bytes, digits only.")
		}
		length = &n
	}
	return length, strings.Join(h.Values("Upload-Metadata"), ","), nil
}

// chunkOf is the chunk that a request brings.
func chunkOf(w http.ResponseWriter, r *http.Request) (c chunk, err error) {
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return c, errContentCoding
	}
	c.w, c.body, c.length = w, r.Body, r.ContentLength
	c.running, c.sum, err = parseChecksum(r.Header)
	return c, err
}

// describe says how the upload stands.
func (u *upload) describe(h http.Header) {
	h.Set("Upload-Offset", strconv.FormatInt(u.offset, 10))
	if u.item != nil {
		h.Set("Content-Location", httpx.Prefix+itemLocation(*u.item))
		h.Del("Upload-Expires")
	} else {
		h.Set("Upload-Expires", u.expires.Format(http.TimeFormat))
	}
}

// headUpload is HEAD /files/uploads/{id}.
func (up *uploads) headUpload(w http.ResponseWriter, r *http.Request) error {
	ctx, x, err := up.resume(r)
	if err != nil {
		return err
	}
	defer up.letGo(x)
	if x.state == uploadOpen && x.complete() {
		if err := up.finish(ctx, x); err != nil {
			return err
		}
	}
	h := w.Header()
	x.describe(h)
	if x.length != nil {
		h.Set("Upload-Length", strconv.FormatInt(*x.length, 10))
	} else {
		h.Set("Upload-Defer-Length", "1")
	}
	if x.metadata != "" {
		h.Set("Upload-Metadata", x.metadata)
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// uploadBody is an upload on the wire.
type uploadBody struct {
	ID        uuid.UUID  `json:"id"`
	State     string     `json:"state"`  // open, finished, expired
	Offset    int64      `json:"offset"` // bytes that were stored for good
	Length    *int64     `json:"length"` // null: not told yet
	ItemID    *uuid.UUID `json:"item_id"`
	ExpiresAt time.Time  `json:"expires_at"` // when it can no longer be asked about
}

// getUpload is GET /files/uploads/{id}: it only looks, and leaves whoever
// sends bytes alone.
func (up *uploads) getUpload(w http.ResponseWriter, r *http.Request) error {
	_, u, err := up.own(r)
	if err == nil && u.state == uploadDeleted {
		err = httpx.ErrNotFound
	}
	if err != nil {
		return err
	}
	return httpx.WriteJSON(w, http.StatusOK, uploadBody{u.id, u.state, u.offset, u.length, u.item, u.expires})
}

// patchUpload is PATCH /files/uploads/{id}.
func (up *uploads) patchUpload(w http.ResponseWriter, r *http.Request) error {
	if r.Header.Get("Content-Type") != offsetType {
		return httpx.ErrUnsupportedType.With("Send Content-Type: " + offsetType + ".")
	}
	c, err := chunkOf(w, r)
	if err != nil {
		return err
	}
	offset, ok := parseSize(r.Header.Get("Upload-Offset"))
	if !ok || len(r.Header.Values("Upload-Offset")) > 1 {
		return errUploadOffset
	}
	ctx, x, err := up.resume(r)
	if err != nil {
		return err
	}
	defer up.letGo(x)
	x.describe(w.Header())
	switch {
	case x.state == uploadFinished && c.length >= 0 && c.length == *x.length-offset:
		// The last chunk once more: its answer was lost.
		w.WriteHeader(http.StatusNoContent)
		return nil
	case offset != x.offset || x.state == uploadFinished:
		return errOffsetDiffers
	}
	if err := up.lateLength(r, x); err != nil {
		return err
	}
	err = up.receiveChunk(ctx, x, c)
	if err == nil && x.complete() {
		err = up.finish(ctx, x)
	}
	x.describe(w.Header())
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// lateLength takes the length that was deferred; a known one never changes.
func (up *uploads) lateLength(r *http.Request, x *seized) error {
	values := r.Header.Values("Upload-Length")
	if len(values) == 0 {
		return nil
	}
	n, ok := parseSize(values[0])
	switch {
	case !ok || len(values) > 1:
		return errUploadLength.With("Upload-Length must be a number of bytes, digits only.")
	case x.length != nil && *x.length != n:
		return errUploadLength.With("The length of this upload is known and cannot change.")
	case x.length != nil:
		return nil
	case n < x.offset:
		return errUploadLength.With("More bytes than that have already arrived.")
	}
	if err := up.vol.checkFree(n - x.offset); err != nil {
		return err
	}
	return up.setLength(r.Context(), x, n)
}

// deleteUpload is DELETE /files/uploads/{id}. Of a finished upload only the
// memory goes; the item stays.
func (up *uploads) deleteUpload(w http.ResponseWriter, r *http.Request) error {
	const forget = `-- name: files.ForgetUpload
		DELETE FROM uploads u WHERE u.op_id = $1 AND u.state <> 'open'`
	ctx, x, err := up.resume(r)
	if err != nil {
		return err
	}
	defer up.letGo(x)
	if x.state == uploadOpen {
		if err := up.discard(ctx, x.upload, uploadDeleted, 0); err != nil {
			return err
		}
	}
	if err := db.Exec(ctx, up.db, forget, x.id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// tusRoutes are the routes of resumable uploads. HEAD and PATCH are not
// counted by the limiter: a client that is refused there loses its progress,
// and what it sends is bounded by the quota.
func (up *uploads) tusRoutes() []httpx.Route {
	var (
		places  = httpx.Problems{errNotFolder, journal.ErrNameConflict, errParentMissing, journal.ErrQuota, journal.ErrEntries, errNoSpace, errMetadata}.And(namedProblems...)
		upload  = httpx.Problems{httpx.ErrNotFound, errUploadExpired, errTusVersion, journal.ErrUnavailable, errLocked}
		sends   = httpx.Problems{errContentCoding, errChecksum, errChecksumDiff, errUploadLength, errInterrupted, errTusVersion, errLocked, httpx.ErrBodyTooLarge}
		stands  = []string{"Tus-Resumable", "Upload-Offset"}
		version = []string{"Tus-Resumable"}
		open    = []string{"Upload-Expires"}
		asks    = []string{"Tus-Resumable", "Upload-Checksum", "Upload-Length"}
	)
	return []httpx.Route{
		{Pattern: "OPTIONS /files/uploads", Access: httpx.Public(), Rate: httpx.RateRead,
			Summary:   "Which parts of tus are supported",
			Responses: []httpx.Response{{Status: http.StatusNoContent, Headers: []string{"Tus-Resumable", "Tus-Version", "Tus-Extension", "Tus-Checksum-Algorithm"}}},
			Handler:   up.optionsUploads},
		{Pattern: "POST /files/uploads", Access: httpx.Needs(mayWrite), Rate: httpx.RateUpload, Body: httpx.Stream,
			Summary: "Start a resumable upload (tus 1.0.0)", Headers: append([]string{"Upload-Defer-Length", "Upload-Metadata"}, asks...),
			Responses: []httpx.Response{{Status: http.StatusCreated, Headers: append([]string{"Location"}, stands...), May: append([]string{"Content-Location"}, open...)}},
			Problems:  httpx.Problems{errConcat, errTooManyUploads}.And(sends...).And(places...),
			Handler:   up.tus(up.postUpload)},
		{Pattern: "HEAD /files/uploads/{id}", Access: httpx.Needs(mayWrite), Rate: httpx.RateNone,
			Summary: "How far a resumable upload has got", Headers: version,
			Responses: []httpx.Response{{Status: http.StatusOK, Headers: stands, May: append([]string{"Content-Location", "Upload-Defer-Length", "Upload-Length", "Upload-Metadata"}, open...)}},
			Problems:  upload.And(places...),
			Handler:   up.tus(up.headUpload)},
		{Pattern: "GET /files/uploads/{id}", Access: httpx.Needs(mayWrite), Rate: httpx.RateRead,
			Summary: "A resumable upload", Headers: version,
			Responses: []httpx.Response{{Status: http.StatusOK, Body: uploadBody{}, Headers: version}},
			Problems:  httpx.Problems{httpx.ErrNotFound, errTusVersion, journal.ErrUnavailable},
			Handler:   up.tus(up.getUpload)},
		{Pattern: "PATCH /files/uploads/{id}", Access: httpx.Needs(mayWrite), Rate: httpx.RateNone, Body: httpx.Stream, Override: true,
			Summary: "Send bytes of a resumable upload", Headers: append([]string{"Upload-Offset"}, asks...),
			Responses: []httpx.Response{{Status: http.StatusNoContent, Headers: stands, May: append([]string{"Content-Location"}, open...)}},
			Problems:  httpx.Problems{errUploadOffset, errOffsetDiffers, httpx.ErrUnsupportedType}.And(upload...).And(sends...).And(places...),
			Handler:   up.tus(up.patchUpload)},
		{Pattern: "DELETE /files/uploads/{id}", Access: httpx.Needs(mayWrite), Rate: httpx.RateWrite, Override: true,
			Summary: "Abandon a resumable upload", Headers: version,
			Responses: []httpx.Response{{Status: http.StatusNoContent, Headers: version}},
			Problems:  upload,
			Handler:   up.tus(up.deleteUpload)},
	}
}
