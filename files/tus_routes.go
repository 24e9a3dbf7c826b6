package files

import (
	"net/http"

	"homebase/files/journal"
	"homebase/httpx"
)

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
