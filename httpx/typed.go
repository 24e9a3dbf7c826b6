package httpx

import (
	"net/http"
	"slices"

	"github.com/google/uuid"
)

// Call is a request as a typed handler gets it.
type Call struct {
	*http.Request
	Caller *Caller   // nil when nobody is signed in or the route is public
	ID     uuid.UUID // matched by the wildcard {id}; anything else is 404 before the handler

	answer  http.Header
	created bool
}

// Answer holds the headers of the answer to come.
func (c *Call) Answer() http.Header { return c.answer }

// Created makes the answer 201 with the Location of what was created, a path below
// Prefix. If the handler then fails, it has no effect.
func (c *Call) Created(path string) {
	c.created = true
	c.answer.Set("Location", Prefix+path)
}

// Afresh is the caller as the database knows them at this moment, for a handler that
// is about to refuse.
func (c *Call) Afresh() (*Caller, error) {
	return exchangeOf(c.Context()).server.cfg.Afresh(c.Context(), c.Caller)
}

// Match is 412 for a change whose If-Match names another revision.
func (c *Call) Match(revision int64) error { return MatchRevision(c.Request.Header, revision) }

// Tagged is an answer with a strong ETag, which includes the quotes.
type Tagged interface{ ETag() string }

// Typed is a handler for Route.Do whose Go types say what its route takes and
// answers. Make one with JSON, Answers, Takes, Acts or Pages.
type Typed struct {
	first     func(c *Call) error        // may be nil
	run       func(c *Call) (any, error) // nil is an answer without a body
	request   any
	responses []Response // the first is the usual one
	pages     bool
}

// JSON reads an In from the body and answers 200 with an Out. Because a body can
// take its time, the caller is checked again once it is there.
func JSON[In, Out any](handle func(c *Call, in In) (Out, error)) Typed {
	return reads(Answers[Out](nil), func(c *Call, in In) (any, error) { return handle(c, in) })
}

// Answers takes no body and answers 200 with an Out, and with an ETag if that is
// Tagged.
func Answers[Out any](handle func(c *Call) (Out, error)) Typed {
	var zero Out
	ok := Response{Status: http.StatusOK, Body: zero}
	if _, tagged := any(zero).(Tagged); tagged {
		ok.Headers = []string{"ETag"}
	}
	return Typed{responses: []Response{ok}, run: func(c *Call) (any, error) { return handle(c) }}
}

// Takes reads an In from the body as JSON does, and answers 204.
func Takes[In any](handle func(c *Call, in In) error) Typed {
	return reads(Acts(nil), func(c *Call, in In) (any, error) { return nil, handle(c, in) })
}

// reads makes t read an In first, and then check the caller again.
func reads[In any](t Typed, handle func(c *Call, in In) (any, error)) Typed {
	t.request = *new(In)
	t.run = func(c *Call) (any, error) {
		x := exchangeOf(c.Context())
		in, err := readJSON[In](c.Request, x.route)
		if err != nil {
			return nil, err
		}
		if err := x.judgeAgain(c.Request); err != nil {
			return nil, err
		}
		c.Caller = x.caller
		return handle(c, in)
	}
	return t
}

// Acts takes no body and answers 204.
func Acts(handle func(c *Call) error) Typed {
	return Typed{
		responses: []Response{{Status: http.StatusNoContent}},
		run:       func(c *Call) (any, error) { return nil, handle(c) },
	}
}

// Pages answers 200 with a page of a collection in the order of its keys. The
// handler reads p.Limit items after p.After; key is an item's key.
func Pages[K, T any](handle func(c *Call, p Keyset[K]) ([]T, error), key func(T) K) Typed {
	return PagesAs(handle, key, func(item T) T { return item })
}

// PagesAs is Pages for items that are shown as something else.
func PagesAs[K, R, T any](handle func(c *Call, p Keyset[K]) ([]R, error), key func(R) K, show func(R) T) Typed {
	t := Answers(func(c *Call) (list List[T], err error) {
		p, err := KeysetOf[K](c)
		if err != nil {
			return list, err
		}
		items, err := handle(c, p)
		found := ListBy(p, items, key)
		list = List[T]{Items: make([]T, len(found.Items)), NextCursor: found.NextCursor}
		for i, item := range found.Items {
			list.Items[i] = show(item)
		}
		return list, err
	})
	t.pages = true
	return t
}

// Creates makes the answer 201; the handler calls Created.
func (t Typed) Creates() Typed { return t.as(http.StatusCreated, "Location") }

// MayCreate lets the answer be 201 instead, if the handler calls Created.
func (t Typed) MayCreate() Typed {
	t.responses = append(t.as(http.StatusOK).responses, t.Creates().responses...)
	return t
}

// Accepts makes the answer 202: what was asked for will happen later.
func (t Typed) Accepts() Typed { return t.as(http.StatusAccepted) }

// May names headers that the answer sometimes carries.
func (t Typed) May(headers ...string) Typed {
	t.responses = slices.Clone(t.responses)
	for i := range t.responses {
		t.responses[i].May = slices.Concat(t.responses[i].May, headers)
	}
	return t
}

// Behind calls first before the ID and the body are read: its error is the answer.
// It may set the ID itself.
func (t Typed) Behind(first func(c *Call) error) Typed { t.first = first; return t }

func (t Typed) as(status int, headers ...string) Typed {
	usual := t.responses[0]
	usual.Status, usual.Headers = status, slices.Concat(usual.Headers, headers)
	t.responses = []Response{usual}
	return t
}

// serve is the Handler.
func (t Typed) serve(w http.ResponseWriter, r *http.Request) (err error) {
	c := &Call{Request: r, Caller: CallerOf(r.Context()), answer: w.Header()}
	if t.first != nil {
		if err := t.first(c); err != nil {
			return err
		}
	}
	if r.PathValue("id") != "" && c.ID == uuid.Nil {
		if c.ID, err = PathID(r, "id"); err != nil {
			return err
		}
	}
	body, err := t.run(c)
	if err != nil {
		return err
	}
	status := t.responses[0].Status
	if c.created {
		status = http.StatusCreated
	}
	if body == nil {
		w.WriteHeader(status)
		return nil
	}
	if tagged, ok := body.(Tagged); ok {
		c.answer.Set("ETag", tagged.ETag())
	}
	return WriteJSON(w, status, body)
}

// Whole completes the routes with what their typed handlers say about them.
// Whoever reads a table of routes begins with this.
func Whole(routes []Route) []Route {
	whole := slices.Clone(routes)
	for i := range whole {
		whole[i].complete()
	}
	return whole
}

// complete leaves alone what check will refuse: a route that names types although
// its typed handler has them.
func (rt *Route) complete() {
	t := rt.Do
	if t.run == nil || rt.Handler != nil || rt.Request != nil || rt.Responses != nil {
		return
	}
	rt.Do, rt.Handler, rt.Request, rt.Responses = Typed{}, t.serve, t.request, t.responses
	if !t.pages {
		return
	}
	for _, name := range []string{"limit", "cursor"} {
		if !rt.takesQuery(name) {
			rt.Query = append(slices.Clip(rt.Query), name)
		}
	}
	rt.Problems = Problems{ErrInvalidCursor}.And(rt.Problems...)
}
