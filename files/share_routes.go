package files

import (
	"net/http"

	"homebase/auth"
	"homebase/files/journal"
	"homebase/httpx"
)

// shareRoutes are the routes of shares: the owner's, and those of whoever has
// the link. The latter read a cookie of their own.
func (sh *shares) shareRoutes(whole, reads, puts []*httpx.Problem, content, zipped []httpx.Response, sums []string) []httpx.Route {
	var (
		aShare = []httpx.Response{{Status: http.StatusOK, Body: share{}}}
		found  = []*httpx.Problem{httpx.ErrNotFound, journal.ErrUnavailable}
		guests = append([]*httpx.Problem{errSharePassword}, found...)
	)
	routes := []httpx.Route{
		{Pattern: "GET /files/shares", Access: own(mayShare), Rate: httpx.RateRead,
			Summary: "Your shares, newest first", Query: []string{"item_id", "limit", "cursor"},
			Responses: []httpx.Response{{Status: http.StatusOK, Body: httpx.List[share]{}}},
			Problems:  []*httpx.Problem{httpx.ErrInvalidCursor, journal.ErrUnavailable},
			Handler:   sh.trees.visitor(sh.getShares)},
		{Pattern: "POST /files/shares", Access: own(mayShare), Rate: httpx.RateWrite, Body: 64 << 10,
			Summary: "Share a file or folder by a link", Request: newShare{},
			Responses: []httpx.Response{{Status: http.StatusCreated, Body: share{}, Headers: []string{"Location"}}},
			Problems:  append([]*httpx.Problem{errNotFolder, errTooManyShares, auth.ErrHashingBusy}, found...),
			Handler:   sh.trees.visitor(sh.postShare)},
		{Pattern: "PATCH /files/shares/{id}", Access: own(mayShare), Rate: httpx.RateWrite, Body: 64 << 10,
			Summary: "Change the terms of a share", Request: shareTerms{}, Responses: aShare,
			Problems: append([]*httpx.Problem{auth.ErrHashingBusy}, found...),
			Handler:  sh.trees.visitor(sh.patchShare)},
		{Pattern: "DELETE /files/shares/{id}", Access: own(mayShare), Rate: httpx.RateWrite,
			Summary: "End a share", Responses: []httpx.Response{{Status: http.StatusNoContent}}, Problems: found,
			Handler: sh.trees.visitor(sh.deleteShare)},
	}
	public := []httpx.Route{
		{Pattern: "GET /files/shared/{token}", Rate: httpx.RateRead,
			Summary: "What a link shares", Responses: []httpx.Response{{Status: http.StatusOK, Body: sharedBody{}}}, Problems: guests,
			Handler: sh.guest(guestOf{}, sh.getShared)},
		{Pattern: "POST /files/shared/{token}/unlock", Rate: httpx.RateCredentials, Body: 16 << 10,
			Summary: "Give a share's password", Request: unlockRequest{},
			Responses: []httpx.Response{{Status: http.StatusNoContent, Headers: []string{"Set-Cookie"}}, {Status: http.StatusOK, Body: unlockBody{}}},
			Problems:  append([]*httpx.Problem{auth.ErrHashingBusy, auth.ErrInsecureOrigin}, guests...),
			Handler:   sh.guest(guestOf{used: true, locked: true}, sh.postUnlock)},
		{Pattern: "GET /files/shared/{token}/children", Rate: httpx.RateRead,
			Summary: "What is in a shared folder", Query: []string{"item_id", "sort", "limit", "cursor"},
			Responses: []httpx.Response{{Status: http.StatusOK, Body: httpx.List[itemBody]{}}},
			Problems:  append([]*httpx.Problem{errNotFolder, httpx.ErrInvalidCursor}, guests...),
			Handler:   sh.guest(guestOf{mode: modeRead}, sh.getSharedChildren)},
		{Pattern: "GET /files/shared/{token}/content", Rate: httpx.RateDownload,
			Summary: "A shared file's bytes", Query: []string{"item_id", "download"},
			Responses: content, Problems: append(guests[:1:1], reads...),
			Handler: sh.guest(guestOf{mode: modeRead, used: true}, sh.getSharedContent)},
		{Pattern: "GET /files/shared/{token}/archive", Rate: httpx.RateDownload,
			Summary: "A shared folder as a zip", Query: []string{"item_id"},
			Responses: zipped, Problems: append(guests[:1:1], whole...),
			Handler: sh.guest(guestOf{mode: modeRead}, sh.getSharedArchive)},
		{Pattern: "PUT /files/shared/{token}/drop/{name}", Rate: httpx.RateUpload, Body: httpx.Stream,
			Summary: "Put a file into a shared folder", Headers: sums, Responses: []httpx.Response{{Status: http.StatusCreated, Body: dropBody{}, May: []string{modifiedHeader}}},
			Problems: append([]*httpx.Problem{errSharePassword, errInvalidName, errPathTooLong, httpx.ErrNotFound, httpx.ErrBodyTooLarge}, puts...),
			Handler:  sh.guest(guestOf{mode: modeDrop}, sh.putDrop)},
	}
	for i := range public {
		public[i].Access, public[i].Cookies = httpx.Public(), true
	}
	return append(routes, public...)
}
