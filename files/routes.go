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

// The groups of problems that routes have in common, and the answers of those
// that send or take bytes.
var (
	awayProblems   = httpx.Problems{journal.ErrUnavailable}
	foundProblems  = httpx.Problems{httpx.ErrNotFound, journal.ErrUnavailable}
	pathProblems   = httpx.Problems{errInvalidName, errPathTooLong}
	namedProblems  = pathProblems.And(foundProblems...)
	wholeProblems  = httpx.Problems{errContentMissing}.And(foundProblems...)
	readProblems   = httpx.Problems{errNotFile, httpx.ErrPreconditionFailed, httpx.ErrRange}.And(wholeProblems...)
	cursorProblems = httpx.Problems{httpx.ErrInvalidCursor, errCursorExpired}.And(foundProblems...)
	putProblems    = httpx.Problems{journal.ErrUnavailable, errNotFile, journal.ErrQuota, journal.ErrEntries, errNoSpace, journal.ErrExpired,
		errInvalidDigest, errDigestMismatch, errModified, errContentRange, errContentCoding, httpx.ErrPreconditionFailed}

	storedFile = httpx.Response{Status: http.StatusOK, Body: itemBody{}, Headers: []string{"ETag"}, May: []string{modifiedHeader}}
	newFile    = httpx.Response{Status: http.StatusCreated, Body: itemBody{}, Headers: []string{"ETag", "Location"}, May: []string{modifiedHeader}}

	fullContent    = httpx.Response{Status: http.StatusOK, Type: "*/*", Headers: []string{"ETag", "Accept-Ranges", "Content-Disposition", "Last-Modified"}, May: []string{"Repr-Digest"}}
	partContent    = httpx.Response{Status: http.StatusPartialContent, Type: "*/*", Headers: fullContent.Headers, May: []string{"Content-Range", "Repr-Digest"}}
	knownContent   = httpx.Response{Status: http.StatusNotModified, Headers: []string{"ETag"}, May: []string{"Content-Disposition", "Repr-Digest"}}
	contentAnswers = []httpx.Response{fullContent, partContent, knownContent}
	pictureAnswers = []httpx.Response{{Status: http.StatusOK, Type: "*/*", Headers: []string{"ETag"}}}
	zipAnswers     = []httpx.Response{{Status: http.StatusOK, Type: "application/zip", Headers: []string{"Content-Disposition"}}}

	inSpace    = []string{"space"}
	sumHeaders = []string{"Content-Digest", "If-None-Match", "Repr-Digest", modifiedHeader}
)

// Routes are the storage's routes.
func (f *Files) Routes() []httpx.Route {
	return slices.Concat(f.up.tusRoutes(), f.sh.shareRoutes(), f.sp.spaceRoutes(), f.feedRoutes(), f.trashRoutes(), f.diskRoutes(), f.itemRoutes(), f.versionRoutes(), f.contentRoutes())
}

func (f *Files) itemRoutes() []httpx.Route {
	in, at := f.trees.in, f.trees.at
	return []httpx.Route{
		{Pattern: "GET /files/items/{id}", Access: httpx.Needs(mayRead), Rate: httpx.RateRead,
			Summary: "A file or folder", Do: httpx.Answers(f.rd.getItem).Behind(in(viewer)), Problems: foundProblems},
		{Pattern: "PATCH /files/items/{id}", Access: httpx.Needs(mayWrite), Rate: httpx.RateWrite, Body: 64 << 10,
			Summary: "Rename or move a file or folder", Do: httpx.JSON(f.wr.patchItem).Behind(in(editor)),
			Problems: httpx.Problems{errRoot, errIntoItself, journal.ErrNameConflict, errParentMissing, errOtherTree, errNotFolder, httpx.ErrPreconditionFailed}.And(namedProblems...)},
		{Pattern: "POST /files/batch", Access: httpx.Needs(mayWrite), Rate: httpx.RateWrite, Body: 1 << 20,
			Summary: "Move, copy or trash many files and folders, each on its own", Do: httpx.JSON(f.wr.postBatch).Behind(at(editor)), Problems: awayProblems},
		{Pattern: "POST /files/items/{id}/copy", Access: httpx.Needs(mayWrite), Rate: httpx.RateWrite, Body: 64 << 10, Optional: true,
			Summary: "Copy a file or folder", Do: httpx.JSON(f.wr.postCopy).Creates().Behind(in(viewer)),
			Problems: httpx.Problems{errRoot, journal.ErrNameConflict, errParentMissing, errNotFolder, journal.ErrQuota, journal.ErrEntries, errNoSpace, journal.ErrExpired,
				errContentMissing, errDamaged, errCopyTooLarge}.And(namedProblems...)},
		{Pattern: "DELETE /files/items/{id}", Access: httpx.Needs(mayWrite), Rate: httpx.RateWrite,
			Summary: "Move a file or folder to the trash", Do: httpx.Acts(f.tr.deleteItem).Behind(in(editor)),
			Problems: httpx.Problems{errRoot, httpx.ErrPreconditionFailed}.And(foundProblems...)},
		{Pattern: "GET /files/items/{id}/children", Access: httpx.Needs(mayRead), Rate: httpx.RateRead, Query: []string{"sort"},
			Summary: "What is in a folder, page by page", Do: httpx.PagesAs(f.rd.getChildren, child.place, child.shown).Behind(in(viewer)),
			Problems: httpx.Problems{errNotFolder}.And(foundProblems...)},
		{Pattern: "GET /files/lookup", Access: httpx.Needs(mayRead), Rate: httpx.RateRead, Query: []string{"path", "space"},
			Summary: "A file or folder by its path", Do: httpx.Answers(f.rd.lookup).Behind(at(viewer)), Problems: namedProblems},
		{Pattern: "POST /files/folders", Access: httpx.Needs(mayWrite), Rate: httpx.RateWrite, Query: inSpace, Body: 64 << 10,
			Summary: "Create a folder", Do: httpx.JSON(f.wr.postFolder).MayCreate().Behind(at(editor)),
			Problems: httpx.Problems{journal.ErrNameConflict, errParentMissing, errNotFolder, journal.ErrEntries, errNoSpace}.And(namedProblems...)},
		{Pattern: "GET /files/search", Access: httpx.Needs(mayRead), Rate: httpx.RateRead,
			Summary:  "Find files and folders by their names",
			Query:    []string{"q", "type", "media_type", "min_size", "max_size", "modified_after", "modified_before", "folder_id", "space"},
			Do:       httpx.PagesAs(f.rd.getSearch, child.hitPlace, child.shown).Behind(at(viewer)),
			Problems: foundProblems},
	}
}

func (f *Files) versionRoutes() []httpx.Route {
	return []httpx.Route{
		{Pattern: "GET /files/items/{id}/versions", Access: httpx.Needs(mayRead), Rate: httpx.RateRead,
			Summary: "What a file held before it was replaced, newest first", Do: httpx.Pages(f.rd.getVersions, versionBody.key).Behind(f.trees.in(viewer)),
			Problems: httpx.Problems{errNotFile}.And(foundProblems...)},
		{Pattern: "GET /files/items/{id}/versions/{revision}/content", Access: httpx.Needs(mayRead), Rate: httpx.RateDownload,
			Summary: "A version's bytes", Query: []string{"download"}, Responses: contentAnswers,
			Problems: httpx.Problems{httpx.ErrPreconditionFailed, httpx.ErrRange}.And(wholeProblems...), Handler: f.trees.visitor(f.trees.holding, viewer, f.rd.getVersion)},
		{Pattern: "POST /files/items/{id}/versions/{revision}/restore", Access: httpx.Needs(mayWrite), Rate: httpx.RateWrite,
			Summary: "Replace a file's bytes by those of a version", Do: httpx.Answers(f.wr.restoreVersion).Behind(f.trees.in(editor)),
			Problems: httpx.Problems{errNotFile, journal.ErrQuota, errNoSpace, errDamaged, httpx.ErrPreconditionFailed}.And(wholeProblems...)},
		{Pattern: "DELETE /files/items/{id}/versions/{revision}", Access: httpx.Needs(mayWrite), Rate: httpx.RateWrite,
			Summary: "Delete a version for good", Do: httpx.Acts(f.vs.deleteVersion).Behind(f.trees.in(editor)), Problems: foundProblems},
	}
}

// contentRoutes send and take bytes.
func (f *Files) contentRoutes() []httpx.Route {
	return []httpx.Route{
		{Pattern: "GET /files/items/{id}/content", Access: httpx.Needs(mayRead), Rate: httpx.RateDownload,
			Summary: "A file's bytes", Query: []string{"download"}, Responses: contentAnswers, Problems: readProblems,
			Handler: f.trees.visitor(f.trees.holding, viewer, f.rd.getContent)},
		{Pattern: "GET /files/items/{id}/thumbnail", Access: httpx.Needs(mayRead), Rate: httpx.RateDownload,
			Summary: "A small version of a picture, upright and without metadata", Query: []string{"size"}, Responses: pictureAnswers,
			Problems: httpx.Problems{errNotFile, errContentMissing, errNoPreview}.And(foundProblems...), Handler: f.trees.visitor(f.trees.holding, viewer, f.rn.getThumbnail)},
		{Pattern: "PUT /files/items/{id}/content", Access: httpx.Needs(mayWrite), Rate: httpx.RateUpload, Body: httpx.Stream,
			Summary: "Replace a file's bytes", Headers: sumHeaders, Responses: []httpx.Response{storedFile}, Problems: putProblems.And(httpx.ErrNotFound),
			Handler: f.trees.visitor(f.trees.holding, editor, f.wr.putItem)},
		{Pattern: "GET /files/content/{path...}", Access: httpx.Needs(mayRead), Rate: httpx.RateDownload,
			Summary: "A file's bytes by its path", Query: []string{"download", "space"}, Responses: contentAnswers, Problems: pathProblems.And(readProblems...),
			Handler: f.trees.visitor(f.trees.named, viewer, f.rd.getPath)},
		{Pattern: "PUT /files/content/{path...}", Access: httpx.Needs(mayWrite), Rate: httpx.RateUpload, Body: httpx.Stream,
			Summary: "Store a file under a path", Query: []string{"parents", "space"}, Headers: sumHeaders, Responses: []httpx.Response{newFile, storedFile},
			Problems: httpx.Problems{httpx.ErrNotFound, errNotFolder, journal.ErrNameConflict, errParentMissing}.And(pathProblems...).And(putProblems...),
			Handler:  f.trees.visitor(f.trees.named, editor, f.wr.putPath)},
		{Pattern: "GET /files/items/{id}/archive", Access: httpx.Needs(mayRead), Rate: httpx.RateDownload,
			Summary: "A file or folder as a zip", Responses: zipAnswers, Problems: wholeProblems, Handler: f.trees.visitor(f.trees.holding, viewer, f.rd.getArchive)},
		{Pattern: "POST /files/archive", Access: httpx.Needs(mayRead), Rate: httpx.RateDownload, Body: 64 << 10,
			Summary: "Several files and folders as one zip", Request: archiveRequest{}, Responses: zipAnswers, Problems: wholeProblems,
			Handler: f.trees.visitor(f.trees.named, viewer, f.rd.postArchive)},
	}
}

func (f *Files) trashRoutes() []httpx.Route {
	in, at := f.trees.in, f.trees.at
	return []httpx.Route{
		{Pattern: "GET /files/trash", Access: httpx.Needs(mayRead), Rate: httpx.RateRead, Query: inSpace,
			Summary: "What is in the trash, newest first", Do: httpx.PagesAs(f.tr.getTrash, trashed.place, trashed.shown).Behind(at(viewer)), Problems: foundProblems},
		{Pattern: "DELETE /files/trash", Access: httpx.Needs(mayWrite), Rate: httpx.RateWrite, Query: inSpace,
			Summary: "Empty the trash", Do: httpx.Acts(f.tr.emptyTrash).Behind(at(editor)), Problems: foundProblems},
		{Pattern: "POST /files/trash/{id}/restore", Access: httpx.Needs(mayWrite), Rate: httpx.RateWrite,
			Summary: "Take a file or folder out of the trash", Do: httpx.Answers(f.tr.restore).Behind(in(editor)),
			Problems: httpx.Problems{journal.ErrNameConflict, errPathTooLong}.And(foundProblems...)},
		{Pattern: "DELETE /files/trash/{id}", Access: httpx.Needs(mayWrite), Rate: httpx.RateWrite,
			Summary: "Delete a file or folder in the trash for good", Do: httpx.Acts(f.tr.deleteTrashed).Behind(in(editor)), Problems: foundProblems},
	}
}

func (f *Files) diskRoutes() []httpx.Route {
	at := f.trees.at
	return []httpx.Route{
		{Pattern: "GET /files/usage", Access: httpx.Needs(mayRead), Rate: httpx.RateRead, Query: inSpace,
			Summary: "How much is stored, in bytes", Do: httpx.Answers(f.getUsage).Behind(at(viewer)), Problems: foundProblems},
		{Pattern: "GET /system/storage", Access: httpx.Needs("system:read").OrOperator(), Rate: httpx.RateRead, Query: []string{"limit", "cursor"},
			Summary: "The disk and what each user stores, in bytes", Do: httpx.Answers(f.getStorage), Problems: awayProblems.And(httpx.ErrInvalidCursor)},
		{Pattern: "POST /files/scan", Access: httpx.Needs(mayWrite), Rate: httpx.RateWrite, Body: 64 << 10,
			Summary: "Take over what was changed on the disk in a folder", Do: httpx.JSON(f.rc.postScan).Behind(at(editor)),
			Problems: httpx.Problems{errNotFolder, errMassAbsence}.And(foundProblems...)},
	}
}

// feedRoutes are the two doors to the change feed.
func (f *Files) feedRoutes() []httpx.Route {
	at := f.trees.at
	return []httpx.Route{
		{Pattern: "GET /files/changes", Access: httpx.Needs(mayRead), Rate: httpx.RateRead, Query: []string{"cursor", "limit", "space"},
			Summary: "What has changed since a cursor, in the order of the commits", Do: httpx.Answers(f.fd.getChanges).Behind(at(viewer)), Problems: cursorProblems},
		{Pattern: "GET /files/events", Access: httpx.Needs(mayRead), Rate: httpx.RateRead, Query: []string{"cursor", "space"}, Headers: []string{"Last-Event-ID"}, Endless: true,
			Summary:   "The same as it happens: server-sent events",
			Responses: []httpx.Response{{Status: http.StatusOK, Type: "text/event-stream", Headers: []string{"X-Accel-Buffering"}}},
			Problems:  cursorProblems, Handler: f.trees.visitor(f.trees.named, viewer, f.fd.getEvents)},
	}
}
