package files

import (
	"net/http"

	"homebase/auth"
	"homebase/httpx"
)

// shareRoutes are the routes of shares: the owner's, and those of whoever has
// the link. The latter read a cookie of their own.
func (sh *shares) shareRoutes() []httpx.Route {
	at, of := sh.trees.at, sh.trees.open(sh.holding, editor)
	locked := httpx.Problems{errSharePassword}
	guests := locked.And(foundProblems...)
	routes := []httpx.Route{
		{Pattern: "GET /files/shares", Access: httpx.Needs(mayShare), Rate: httpx.RateRead, Query: []string{"item_id", "space"},
			Summary: "Your shares, or those of a space, newest first", Do: httpx.Pages(sh.getShares, share.key).Behind(at(editor)), Problems: foundProblems},
		{Pattern: "POST /files/shares", Access: httpx.Needs(mayShare), Rate: httpx.RateWrite, Body: 64 << 10,
			Summary: "Share a file or folder by a link, or with a user by name", Do: httpx.JSON(sh.postShare).Creates().Behind(at(editor)),
			Problems: httpx.Problems{errNotFolder, errTooManyShares, auth.ErrHashingBusy}.And(foundProblems...)},
		{Pattern: "PATCH /files/shares/{id}", Access: httpx.Needs(mayShare), Rate: httpx.RateWrite, Body: 64 << 10,
			Summary: "Change the terms of a share", Do: httpx.JSON(sh.patchShare).Behind(of),
			Problems: httpx.Problems{auth.ErrHashingBusy}.And(foundProblems...)},
		{Pattern: "DELETE /files/shares/{id}", Access: httpx.Needs(mayShare), Rate: httpx.RateWrite,
			Summary: "End a share", Do: httpx.Acts(sh.deleteShare).Behind(of), Problems: foundProblems},
		{Pattern: "GET /files/shared-with-me", Access: httpx.Needs(mayRead), Rate: httpx.RateRead,
			Summary: "What others have shared with you by name, newest first", Do: httpx.Pages(sh.getWithMe, withMe.key)},
	}
	public := []httpx.Route{
		{Pattern: "GET /files/shared/{token}", Rate: httpx.RateRead,
			Summary: "What a link shares", Do: httpx.Answers(sh.getShared), Problems: guests},
		{Pattern: "POST /files/shared/{token}/unlock", Rate: httpx.RateCredentials, Body: 16 << 10,
			Summary: "Give a share's password", Request: unlockRequest{},
			Responses: []httpx.Response{{Status: http.StatusNoContent, Headers: []string{"Set-Cookie"}}, {Status: http.StatusOK, Body: unlockBody{}}},
			Problems:  httpx.Problems{auth.ErrHashingBusy, auth.ErrInsecureOrigin}.And(guests...),
			Handler:   sh.guest(guestOf{used: true, locked: true}, sh.postUnlock)},
		{Pattern: "GET /files/shared/{token}/children", Rate: httpx.RateRead, Query: []string{"item_id", "sort"},
			Summary: "What is in a shared folder", Do: httpx.PagesAs(sh.getSharedChildren, child.place, child.shown),
			Problems: httpx.Problems{errNotFolder}.And(guests...)},
		{Pattern: "GET /files/shared/{token}/content", Rate: httpx.RateDownload,
			Summary: "A shared file's bytes", Query: []string{"item_id", "download"}, Responses: contentAnswers, Problems: locked.And(readProblems...),
			Handler: sh.guest(guestOf{mode: modeRead, used: true}, sh.getSharedContent)},
		{Pattern: "GET /files/shared/{token}/archive", Rate: httpx.RateDownload,
			Summary: "A shared folder as a zip", Query: []string{"item_id"}, Responses: zipAnswers, Problems: locked.And(wholeProblems...),
			Handler: sh.guest(guestOf{mode: modeRead}, sh.getSharedArchive)},
		{Pattern: "PUT /files/shared/{token}/drop/{name}", Rate: httpx.RateUpload, Body: httpx.Stream,
			Summary: "Put a file into a shared folder", Headers: sumHeaders,
			Responses: []httpx.Response{{Status: http.StatusCreated, Body: dropBody{}, May: []string{modifiedHeader}}},
			Problems:  locked.And(errInvalidName, errPathTooLong, httpx.ErrNotFound, httpx.ErrBodyTooLarge).And(putProblems...),
			Handler:   sh.guest(guestOf{mode: modeDrop}, sh.putDrop)},
	}
	for i := range public {
		public[i].Access, public[i].Cookies = httpx.Public(), true
	}
	return append(routes, public...)
}
