package portfolio

import (
	"net/http"
	"slices"

	"homebase/auth"
	"homebase/httpx"
)

const (
	bodyLimit    = 1 << 20  // bytes
	messageLimit = 32 << 10 // bytes
)

var refusals = []*httpx.Problem{httpx.ErrNotFound, httpx.ErrPreconditionFailed}

// cached are the answers of a read that is kept in memory.
func cached(body any) []httpx.Response {
	return []httpx.Response{{Status: http.StatusOK, Body: body, Headers: []string{"ETag"}, May: []string{"Content-Encoding"}}}
}

func one(status int, body any, headers ...string) []httpx.Response {
	return []httpx.Response{{Status: status, Body: body, Headers: headers}}
}

// routes are the operations of one collection. query and problems are those
// that only this kind has.
func (k *collection) routes(query []string, problems ...*httpx.Problem) []httpx.Route {
	all := "/portfolio/" + k.kind
	item := all + "/{" + k.wild + "}"
	write := httpx.Needs(auth.PortfolioWrite)
	found := cached(k.body)
	if k.wild == "slug" { // an old one has moved
		found = append(found, httpx.Response{Status: http.StatusPermanentRedirect, Headers: []string{"Location"}})
	}
	return []httpx.Route{
		{Pattern: "GET " + all, Access: httpx.Recognised(), Rate: httpx.RateRead, Query: append([]string{"limit", "cursor"}, query...),
			Summary: "All " + k.kind + " in their order; writers see drafts too", Responses: cached(k.list),
			Problems: []*httpx.Problem{httpx.ErrInvalidCursor}, Handler: k.getList},
		{Pattern: "GET " + item, Access: httpx.Recognised(), Rate: httpx.RateRead,
			Summary: "One of " + k.kind, Responses: found, Problems: []*httpx.Problem{httpx.ErrNotFound}, Handler: k.getItem},
		{Pattern: "POST " + all, Access: write, Rate: httpx.RateWrite, Body: bodyLimit, Request: k.patch,
			Summary: "Add to " + k.kind, Responses: one(http.StatusCreated, k.body, "Location", "ETag"),
			Problems: append([]*httpx.Problem{errFull}, problems...), Handler: k.postItem},
		{Pattern: "PATCH " + item, Access: write, Rate: httpx.RateWrite, Body: bodyLimit, Request: k.patch,
			Summary: "Change one of " + k.kind, Responses: one(http.StatusOK, k.body, "ETag"),
			Problems: slices.Concat(refusals, problems), Handler: k.patchItem},
		{Pattern: "DELETE " + item, Access: write, Rate: httpx.RateWrite,
			Summary: "Delete one of " + k.kind, Responses: one(http.StatusNoContent, nil), Problems: refusals, Handler: k.deleteItem},
		{Pattern: "PUT " + all + "/order", Access: write, Rate: httpx.RateWrite, Body: bodyLimit, Request: Order{},
			Summary: "Put " + k.kind + " into another order", Responses: one(http.StatusNoContent, nil), Handler: k.putOrder},
	}
}

// Routes are the operations of this room.
func (p *Portfolio) Routes() []httpx.Route {
	write, inbox := httpx.Needs(auth.PortfolioWrite), httpx.Needs(auth.InboxRead)
	return slices.Concat(
		p.projects.routes([]string{"tag", "featured"}, errSlugTaken, errTooManySlugs), p.skills.routes(nil), p.experience.routes(nil), p.education.routes(nil),
		[]httpx.Route{
			{Pattern: "GET /portfolio/profile", Access: httpx.Public(), Rate: httpx.RateRead,
				Summary: "Who the portfolio is about", Responses: cached(Profile{}), Handler: p.getProfile},
			{Pattern: "PUT /portfolio/profile", Access: write, Rate: httpx.RateWrite, Body: bodyLimit, Request: ProfileFields{},
				Summary: "Replace the profile", Responses: one(http.StatusOK, Profile{}, "ETag"),
				Problems: []*httpx.Problem{httpx.ErrPreconditionFailed}, Handler: p.putProfile},
			{Pattern: "POST /portfolio/projects/{slug}/preview", Access: write, Rate: httpx.RateWrite,
				Summary: "Make a link that shows a draft for a week", Responses: one(http.StatusCreated, Preview{}, "Location"),
				Problems: []*httpx.Problem{httpx.ErrNotFound}, Handler: p.postPreview},
			{Pattern: "GET /portfolio/previews/{token}", Access: httpx.Public(), Rate: httpx.RateRead,
				Summary: "The project that a preview link shows", Responses: cached(Project{}),
				Problems: []*httpx.Problem{httpx.ErrNotFound}, Handler: p.getPreview},
			{Pattern: "GET /portfolio/images/{id}", Access: httpx.Public(), Rate: httpx.RateDownload, Query: []string{"size"},
				Summary:   "A picture of the published portfolio, without metadata",
				Responses: []httpx.Response{{Status: http.StatusOK, Type: "*/*", Headers: []string{"ETag"}}},
				Problems:  []*httpx.Problem{httpx.ErrNotFound}, Handler: p.getImage},
			{Pattern: "GET /portfolio/resume.json", Access: httpx.Public(), Rate: httpx.RateRead,
				Summary: "The portfolio as a JSON Resume 1.0.0", Responses: cached(Resume{}), Handler: p.getResume},
			{Pattern: "PUT /portfolio/resume.json", Access: write, Rate: httpx.RateWrite, Body: maxResume, Query: []string{"dry_run"}, Request: ResumeFile{},
				Summary: "Take profile and entries over from a JSON Resume", Responses: one(http.StatusOK, Imported{}),
				Problems: []*httpx.Problem{errFull}, Handler: p.putResume},
			{Pattern: "GET /portfolio/contact/challenge", Access: httpx.Public(), Rate: httpx.RateRead,
				Summary: "A token and a task for the contact form", Responses: one(http.StatusOK, Challenge{}), Handler: p.getChallenge},
			{Pattern: "POST /portfolio/contact", Access: httpx.Public(), Rate: httpx.RateWrite, Body: messageLimit, Request: ContactPost{},
				Summary: "Write to the owner", Responses: one(http.StatusAccepted, nil),
				Problems: []*httpx.Problem{errChallenge, errTooEarly}, Handler: p.postContact},
			{Pattern: "GET /portfolio/contact", Access: inbox, Rate: httpx.RateRead, Query: []string{"limit", "cursor", "state"},
				Summary: "Messages, newest first; without a state, all except spam", Responses: one(http.StatusOK, Inbox{}),
				Problems: []*httpx.Problem{httpx.ErrInvalidCursor}, Handler: p.getInbox},
			{Pattern: "PATCH /portfolio/contact/{id}", Access: inbox, Rate: httpx.RateWrite, Body: messageLimit, Request: MessageChange{},
				Summary: "Mark a message", Responses: one(http.StatusOK, Message{}, "ETag"), Problems: refusals, Handler: p.patchMessage},
			{Pattern: "DELETE /portfolio/contact/{id}", Access: inbox, Rate: httpx.RateWrite,
				Summary: "Delete a message", Responses: one(http.StatusNoContent, nil), Problems: refusals, Handler: p.deleteMessage},
		})
}
