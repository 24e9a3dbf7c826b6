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

// cached are the answers of a read whose bytes are kept in memory.
func cached(body any) []httpx.Response {
	return []httpx.Response{{Status: http.StatusOK, Body: body, Headers: []string{"ETag"}, May: []string{"Content-Encoding"}}}
}

var refusals = httpx.Problems{httpx.ErrNotFound, httpx.ErrPreconditionFailed}

// routes are the operations of one collection. query and problems are what only this
// kind has.
func (k *collection) routes(query []string, problems ...*httpx.Problem) []httpx.Route {
	all := "/portfolio/" + k.kind
	item := all + "/{" + k.wild + "}"
	write := httpx.Needs(auth.PortfolioWrite).OrOperator()
	found := cached(k.body)
	if k.wild == "slug" { // an old one has moved
		found = append(found, httpx.Response{Status: http.StatusPermanentRedirect, Headers: []string{"Location"}})
	}
	return []httpx.Route{
		{Pattern: "GET " + all, Access: httpx.Recognised(), Rate: httpx.RateRead, Query: append([]string{"limit", "cursor"}, query...),
			Summary: "All " + k.kind + " in their order; writers see drafts too", Responses: cached(k.list),
			Problems: httpx.Problems{httpx.ErrInvalidCursor}, Handler: k.getList},
		{Pattern: "GET " + item, Access: httpx.Recognised(), Rate: httpx.RateRead,
			Summary: "One of " + k.kind, Responses: found, Problems: httpx.Problems{httpx.ErrNotFound}, Handler: k.getItem},
		{Pattern: "POST " + all, Access: write, Rate: httpx.RateWrite, Body: bodyLimit,
			Summary: "Add to " + k.kind, Do: k.post.Creates(), Problems: httpx.Problems{errFull}.And(problems...)},
		{Pattern: "PATCH " + item, Access: write, Rate: httpx.RateWrite, Body: bodyLimit,
			Summary: "Change one of " + k.kind, Do: k.patch, Problems: refusals.And(problems...)},
		{Pattern: "DELETE " + item, Access: write, Rate: httpx.RateWrite,
			Summary: "Delete one of " + k.kind, Do: httpx.Acts(k.deleteItem), Problems: refusals},
		{Pattern: "PUT " + all + "/order", Access: write, Rate: httpx.RateWrite, Body: bodyLimit,
			Summary: "Put " + k.kind + " into another order", Do: httpx.Takes(k.putOrder)},
	}
}

// Routes are the operations of this room.
func (p *Portfolio) Routes() []httpx.Route {
	write, inbox := httpx.Needs(auth.PortfolioWrite).OrOperator(), httpx.Needs(auth.InboxRead).OrOperator()
	return slices.Concat(
		p.projects.routes([]string{"tag", "featured"}, errSlugTaken, errTooManySlugs),
		p.skills.routes(nil), p.experience.routes(nil), p.education.routes(nil),
		[]httpx.Route{
			{Pattern: "GET /portfolio/profile", Access: httpx.Public(), Rate: httpx.RateRead,
				Summary: "Who the portfolio is about", Responses: cached(Profile{}), Handler: p.getProfile},
			{Pattern: "PUT /portfolio/profile", Access: write, Rate: httpx.RateWrite, Body: bodyLimit,
				Summary: "Replace the profile", Do: httpx.JSON(p.putProfile), Problems: httpx.Problems{httpx.ErrPreconditionFailed}},
			{Pattern: "POST /portfolio/projects/{slug}/preview", Access: write, Rate: httpx.RateWrite,
				Summary: "Make a link that shows a draft for a week", Do: httpx.Answers(p.postPreview).Creates(), Problems: httpx.Problems{httpx.ErrNotFound}},
			{Pattern: "GET /portfolio/previews/{token}", Access: httpx.Public(), Rate: httpx.RateRead,
				Summary: "The project that a preview link shows", Responses: cached(Project{}),
				Problems: httpx.Problems{httpx.ErrNotFound}, Handler: p.getPreview},
			{Pattern: "GET /portfolio/images/{id}", Access: httpx.Public(), Rate: httpx.RateDownload, Query: []string{"size"},
				Summary:   "A picture of the published portfolio, without metadata",
				Responses: []httpx.Response{{Status: http.StatusOK, Type: "*/*", Headers: []string{"ETag"}}},
				Problems:  httpx.Problems{httpx.ErrNotFound}, Handler: p.getImage},
			{Pattern: "GET /portfolio/resume.json", Access: httpx.Public(), Rate: httpx.RateRead,
				Summary: "The portfolio as a JSON Resume 1.0.0", Responses: cached(Resume{}), Handler: p.getResume},
			{Pattern: "PUT /portfolio/resume.json", Access: write, Rate: httpx.RateWrite, Body: maxResume, Query: []string{"dry_run"},
				Summary: "Take profile and entries over from a JSON Resume", Do: httpx.JSON(p.putResume), Problems: httpx.Problems{errFull}},
			{Pattern: "GET /portfolio/contact/challenge", Access: httpx.Public(), Rate: httpx.RateRead,
				Summary: "A token and a task for the contact form", Do: httpx.Answers(p.getChallenge)},
			{Pattern: "POST /portfolio/contact", Access: httpx.Public(), Rate: httpx.RateWrite, Body: messageLimit,
				Summary: "Write to the owner", Do: httpx.Takes(p.postContact).Accepts(), Problems: httpx.Problems{errChallenge, errTooEarly}},
			{Pattern: "GET /portfolio/contact", Access: inbox, Rate: httpx.RateRead, Query: []string{"limit", "cursor", "state"},
				Summary: "Messages, newest first; without a state, all except spam", Do: httpx.Answers(p.getInbox), Problems: httpx.Problems{httpx.ErrInvalidCursor}},
			{Pattern: "PATCH /portfolio/contact/{id}", Access: inbox, Rate: httpx.RateWrite, Body: messageLimit,
				Summary: "Mark a message", Do: httpx.JSON(p.patchMessage), Problems: refusals},
			{Pattern: "DELETE /portfolio/contact/{id}", Access: inbox, Rate: httpx.RateWrite,
				Summary: "Delete a message", Do: httpx.Acts(p.deleteMessage), Problems: refusals},
		})
}
