package files

import (
	"net/http"
	"slices"

	"homebase/files/journal"
	"homebase/httpx"
)

const (
	mayRead  = "files:read"
	mayWrite = "files:write"
)

// own is the access to what lies in the caller's own tree.
func own(permission string) httpx.Access { return httpx.Needs(permission).Own() }

// Routes are the storage's routes.
func (f *Files) Routes() []httpx.Route {
	var (
		anItem  = httpx.Response{Status: http.StatusOK, Body: itemBody{}, Headers: []string{"ETag"}}
		newItem = httpx.Response{Status: http.StatusCreated, Body: itemBody{}, Headers: []string{"ETag", "Location"}}
		newFile = httpx.Response{Status: http.StatusCreated, Body: itemBody{}, Headers: newItem.Headers, May: []string{modifiedHeader}}
		aFile   = httpx.Response{Status: http.StatusOK, Body: itemBody{}, Headers: anItem.Headers, May: newFile.May}
		bytes   = httpx.Response{Status: http.StatusOK, Type: "*/*", Headers: []string{"ETag", "Accept-Ranges", "Content-Disposition", "Last-Modified"}, May: []string{"Repr-Digest"}}
		partial = httpx.Response{Status: http.StatusPartialContent, Type: "*/*", Headers: bytes.Headers, May: []string{"Content-Range", "Repr-Digest"}}
		done    = httpx.Response{Status: http.StatusNoContent}
		same    = httpx.Response{Status: http.StatusNotModified, Headers: []string{"ETag"}}
		content = []httpx.Response{bytes, partial, {Status: http.StatusNotModified, Headers: same.Headers, May: []string{"Content-Disposition", "Repr-Digest"}}}

		zipped = []httpx.Response{{Status: http.StatusOK, Type: "application/zip", Headers: []string{"Content-Disposition"}}}

		sums = []string{"Content-Digest", "If-None-Match", "Repr-Digest", modifiedHeader}

		found = []*httpx.Problem{httpx.ErrNotFound, journal.ErrUnavailable}
		named = append([]*httpx.Problem{errInvalidName, errPathTooLong}, found...)
		whole = append([]*httpx.Problem{errContentMissing}, found...)
		reads = append([]*httpx.Problem{errNotFile, httpx.ErrPreconditionFailed, httpx.ErrRange}, whole...)
		puts  = []*httpx.Problem{journal.ErrUnavailable, errNotFile, journal.ErrQuota, journal.ErrEntries, errNoSpace, journal.ErrExpired,
			errInvalidDigest, errDigestMismatch, errModified, errContentRange, errContentCoding, httpx.ErrPreconditionFailed}
		paths = []*httpx.Problem{errInvalidName, errPathTooLong}
	)
	return slices.Concat(f.up.tusRoutes(named), f.sh.shareRoutes(whole, reads, puts, content, zipped, sums), f.feedRoutes(), f.trashRoutes(anItem, found), f.diskRoutes(found), []httpx.Route{
		{Pattern: "GET /files/items/{id}", Access: own(mayRead), Rate: httpx.RateRead,
			Summary: "A file or folder", Responses: []httpx.Response{anItem}, Problems: found,
			Handler: f.trees.visitor(f.rd.getItem)},
		{Pattern: "PATCH /files/items/{id}", Access: own(mayWrite), Rate: httpx.RateWrite, Body: 64 << 10,
			Summary: "Rename or move a file or folder", Request: movePatch{}, Responses: []httpx.Response{anItem},
			Problems: append([]*httpx.Problem{errRoot, errIntoItself, journal.ErrNameConflict, errParentMissing, errNotFolder, httpx.ErrPreconditionFailed}, named...),
			Handler:  f.trees.visitor(f.wr.patchItem)},
		{Pattern: "POST /files/batch", Access: own(mayWrite), Rate: httpx.RateWrite, Body: 1 << 20,
			Summary: "Move, copy or trash many files and folders, each on its own", Request: batchRequest{},
			Responses: []httpx.Response{{Status: http.StatusOK, Body: batchBody{}}}, Problems: found[1:],
			Handler: f.trees.visitor(f.wr.postBatch)},
		{Pattern: "POST /files/items/{id}/copy", Access: own(mayWrite), Rate: httpx.RateWrite, Body: 64 << 10,
			Summary: "Copy a file or folder", Request: copyRequest{}, Optional: true,
			Responses: []httpx.Response{{Status: http.StatusCreated, Body: copyBody{}, Headers: newItem.Headers}},
			Problems: append([]*httpx.Problem{errRoot, journal.ErrNameConflict, errParentMissing, errNotFolder, journal.ErrQuota, journal.ErrEntries, errNoSpace, journal.ErrExpired,
				errContentMissing, errDamaged, errCopyTooLarge}, named...),
			Handler: f.trees.visitor(f.wr.postCopy)},
		{Pattern: "DELETE /files/items/{id}", Access: own(mayWrite), Rate: httpx.RateWrite,
			Summary: "Move a file or folder to the trash", Responses: []httpx.Response{done},
			Problems: append([]*httpx.Problem{errRoot, httpx.ErrPreconditionFailed}, found...),
			Handler:  f.trees.visitor(f.tr.deleteItem)},
		{Pattern: "GET /files/items/{id}/children", Access: own(mayRead), Rate: httpx.RateRead,
			Summary: "What is in a folder, page by page", Query: []string{"sort", "limit", "cursor"},
			Responses: []httpx.Response{{Status: http.StatusOK, Body: httpx.List[itemBody]{}}},
			Problems:  append([]*httpx.Problem{errNotFolder, httpx.ErrInvalidCursor}, found...),
			Handler:   f.trees.visitor(f.rd.getChildren)},
		{Pattern: "GET /files/lookup", Access: own(mayRead), Rate: httpx.RateRead,
			Summary: "A file or folder by its path", Query: []string{"path"},
			Responses: []httpx.Response{anItem}, Problems: named,
			Handler: f.trees.visitor(f.rd.lookup)},
		{Pattern: "POST /files/folders", Access: own(mayWrite), Rate: httpx.RateWrite, Body: 64 << 10,
			Summary: "Create a folder", Request: folderRequest{},
			Responses: []httpx.Response{newItem, anItem},
			Problems:  append([]*httpx.Problem{journal.ErrNameConflict, errParentMissing, errNotFolder, journal.ErrEntries, errNoSpace, journal.ErrUnavailable}, paths...),
			Handler:   f.trees.visitor(f.wr.postFolder)},
		{Pattern: "GET /files/items/{id}/content", Access: own(mayRead), Rate: httpx.RateDownload,
			Summary: "A file's bytes", Query: []string{"download"}, Responses: content, Problems: reads,
			Handler: f.trees.visitor(f.rd.getContent)},
		{Pattern: "GET /files/items/{id}/thumbnail", Access: own(mayRead), Rate: httpx.RateDownload,
			Summary: "A small version of a picture, upright and without metadata", Query: []string{"size"},
			Responses: []httpx.Response{{Status: http.StatusOK, Type: "*/*", Headers: []string{"ETag"}}, same},
			Problems:  append([]*httpx.Problem{errNotFile, errContentMissing, errNoPreview}, found...),
			Handler:   f.trees.visitor(f.rn.getThumbnail)},
		{Pattern: "PUT /files/items/{id}/content", Access: own(mayWrite), Rate: httpx.RateUpload, Body: httpx.Stream,
			Summary: "Replace a file's bytes", Headers: sums, Responses: []httpx.Response{aFile}, Problems: append(puts[:len(puts):len(puts)], httpx.ErrNotFound),
			Handler: f.trees.visitor(f.wr.putItem)},
		{Pattern: "GET /files/content/{path...}", Access: own(mayRead), Rate: httpx.RateDownload,
			Summary: "A file's bytes by its path", Query: []string{"download"}, Responses: content, Problems: append(paths[:2:2], reads...),
			Handler: f.trees.visitor(f.rd.getPath)},
		{Pattern: "PUT /files/content/{path...}", Access: own(mayWrite), Rate: httpx.RateUpload, Body: httpx.Stream,
			Summary: "Store a file under a path", Query: []string{"parents"}, Headers: sums,
			Responses: []httpx.Response{newFile, aFile}, Problems: slices.Concat(
				[]*httpx.Problem{errNotFolder, journal.ErrNameConflict, errParentMissing}, paths, puts),
			Handler: f.trees.visitor(f.wr.putPath)},
		{Pattern: "GET /files/items/{id}/archive", Access: own(mayRead), Rate: httpx.RateDownload,
			Summary: "A file or folder as a zip", Responses: zipped, Problems: whole,
			Handler: f.trees.visitor(f.rd.getArchive)},
		{Pattern: "POST /files/archive", Access: own(mayRead), Rate: httpx.RateDownload, Body: 64 << 10,
			Summary: "Several files and folders as one zip", Request: archiveRequest{}, Responses: zipped, Problems: whole,
			Handler: f.trees.visitor(f.rd.postArchive)},
		{Pattern: "GET /files/search", Access: own(mayRead), Rate: httpx.RateRead,
			Summary:   "Find files and folders by their names",
			Query:     []string{"q", "type", "media_type", "min_size", "max_size", "modified_after", "modified_before", "folder_id", "limit", "cursor"},
			Responses: []httpx.Response{{Status: http.StatusOK, Body: httpx.List[itemBody]{}}},
			Problems:  append([]*httpx.Problem{httpx.ErrInvalidCursor}, found...),
			Handler:   f.trees.visitor(f.rd.getSearch)},
	})
}

// feedRoutes are the two doors to the change feed.
func (f *Files) trashRoutes(anItem httpx.Response, found []*httpx.Problem) []httpx.Route {
	return []httpx.Route{
		{Pattern: "GET /files/trash", Access: own(mayRead), Rate: httpx.RateRead,
			Summary: "What is in the trash, newest first", Query: []string{"limit", "cursor"},
			Responses: []httpx.Response{{Status: http.StatusOK, Body: httpx.List[trashedBody]{}}},
			Problems:  []*httpx.Problem{httpx.ErrInvalidCursor, journal.ErrUnavailable},
			Handler:   f.trees.visitor(f.tr.getTrash)},
		{Pattern: "DELETE /files/trash", Access: own(mayWrite), Rate: httpx.RateWrite,
			Summary: "Empty the trash", Responses: []httpx.Response{{Status: http.StatusNoContent}}, Problems: found[1:],
			Handler: f.trees.visitor(f.tr.emptyTrash)},
		{Pattern: "POST /files/trash/{id}/restore", Access: own(mayWrite), Rate: httpx.RateWrite,
			Summary: "Take a file or folder out of the trash", Responses: []httpx.Response{anItem},
			Problems: append([]*httpx.Problem{journal.ErrNameConflict, errPathTooLong}, found...),
			Handler:  f.trees.visitor(f.tr.restore)},
		{Pattern: "DELETE /files/trash/{id}", Access: own(mayWrite), Rate: httpx.RateWrite,
			Summary: "Delete a file or folder in the trash for good", Responses: []httpx.Response{{Status: http.StatusNoContent}}, Problems: found,
			Handler: f.trees.visitor(f.tr.deleteTrashed)},
	}
}

func (f *Files) diskRoutes(found []*httpx.Problem) []httpx.Route {
	return []httpx.Route{
		{Pattern: "GET /files/usage", Access: own(mayRead), Rate: httpx.RateRead,
			Summary: "How much is stored, in bytes", Responses: []httpx.Response{{Status: http.StatusOK, Body: usageBody{}}}, Problems: found[1:],
			Handler: f.trees.visitor(f.getUsage)},
		{Pattern: "GET /system/storage", Access: httpx.Needs("system:read"), Rate: httpx.RateRead,
			Summary: "The disk and what each user stores, in bytes", Query: []string{"limit", "cursor"},
			Responses: []httpx.Response{{Status: http.StatusOK, Body: storageBody{}}},
			Problems:  []*httpx.Problem{journal.ErrUnavailable, httpx.ErrInvalidCursor},
			Handler:   f.getStorage},
		{Pattern: "POST /files/scan", Access: own(mayWrite), Rate: httpx.RateWrite, Body: 64 << 10,
			Summary: "Take over what was changed on the disk in a folder", Request: scanRequest{},
			Responses: []httpx.Response{{Status: http.StatusOK, Body: scanReport{}}},
			Problems:  append([]*httpx.Problem{errNotFolder, errMassAbsence}, found...),
			Handler:   f.trees.visitor(f.rc.postScan)},
	}
}

func (f *Files) feedRoutes() []httpx.Route {
	expires := []*httpx.Problem{httpx.ErrInvalidCursor, errCursorExpired, journal.ErrUnavailable}
	return []httpx.Route{
		{Pattern: "GET /files/changes", Access: own(mayRead), Rate: httpx.RateRead,
			Summary: "What has changed since a cursor, in the order of the commits", Query: []string{"cursor", "limit"},
			Responses: []httpx.Response{{Status: http.StatusOK, Body: changesBody{}}},
			Problems:  expires,
			Handler:   f.trees.visitor(f.fd.getChanges)},
		{Pattern: "GET /files/events", Access: own(mayRead), Rate: httpx.RateRead,
			Summary: "The same as it happens: server-sent events", Query: []string{"cursor"}, Headers: []string{"Last-Event-ID"}, Endless: true,
			Responses: []httpx.Response{{Status: http.StatusOK, Type: "text/event-stream", Headers: []string{"X-Accel-Buffering"}}},
			Problems:  expires,
			Handler:   f.trees.visitor(f.fd.getEvents)},
	}
}
