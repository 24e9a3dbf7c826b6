// Package portfolio is the content of a person's portfolio site: a profile,
// four ordered collections (projects, skills, experience, education), their
// form as a JSON Resume, and an inbox. It knows nothing about passwords or disks:
// it asks httpx who calls, and stores ids of files.
//
// What it promises:
//   - A stranger sees what is published, and nothing else: no draft, and no
//     picture that only a draft names.
//   - Public answers are encoded once and kept in memory. A change makes this
//     worker forget them before it is answered, and the others by a notification
//     in its transaction; a worker that may have missed one reads the database
//     each time.
//   - An ETag never stands for two contents: revisions come from one counter and
//     are never reused.
//   - A slug that once led to a project does so as long as the project exists.
//   - A message that passes the form is kept, if only as spam; what a flood can
//     add to the database is bounded.
//   - Every change of content and inbox is audited in its transaction. The network
//     addresses of strangers are not stored.
package portfolio

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"homebase/audit"
	"homebase/auth"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Config is what the portfolio needs from others.
type Config struct {
	DB    *db.DB
	Audit *audit.Log
	// Keys returns the derived keys for a purpose: the first signs, all verify.
	Keys func(purpose string) [][]byte
	// PublicURL is the server's own address, for the links in a resume.
	PublicURL string
	// Image opens the stripped rendition of a picture that fits into size pixels
	// each way, or into the next size that exists; httpx.ErrNotFound or
	// db.ErrNotFound if there is none. The original is never shown.
	Image func(ctx context.Context, fileID uuid.UUID, size int) (httpx.Rendition, error)
	// Owns reports whether a file is the user's own: nobody may publish others'.
	Owns func(ctx context.Context, q db.Querier, user, fileID uuid.UUID) (bool, error)
	// Send queues a mail in the transaction; nil if no mail server is configured.
	Send func(ctx context.Context, tx db.Querier, to, subject, text string) error
}

// Portfolio is the room. Make one with New.
type Portfolio struct {
	Config
	projects, skills, experience, education *collection
	shown                                   *db.Kept[*snapshot] // what strangers see
}

// New makes the room and registers with the listener: call it before the
// listener runs. It reads no key and no database.
func New(cfg Config) *Portfolio {
	p := &Portfolio{Config: cfg}
	p.projects = newCollection[Project, ProjectFields](p, "projects", "slug", draft)
	p.skills = newCollection[Skill, SkillFields](p, "skills", "id", published)
	p.experience = newCollection[Experience, ExperienceFields](p, "experience", "id", draft)
	p.education = newCollection[Education, EducationFields](p, "education", "id", draft)
	p.shown = db.NewKept(cfg.DB, channel, p.readSnapshot)
	return p
}

// channel notifies that something in the portfolio has changed.
const channel = "portfolio"

// Jobs keeps the inbox within its bounds.
func (p *Portfolio) Jobs() []db.Job {
	return []db.Job{{Name: "portfolio.sweep", Every: 10 * time.Minute, Run: p.sweep, Needed: p.anyUsesOver}}
}

// content is the whole portfolio.
type content struct {
	profile Profile
	entries map[string][]item    // by kind
	slugs   map[string]uuid.UUID // every slug that ever led to a project
}

// load reads the whole portfolio as it is at one moment, drafts included. The bounds
// of collections and texts keep it small.
func (p *Portfolio) load(ctx context.Context, q db.Querier) (*content, error) {
	var rows map[string][]json.RawMessage // by kind
	c, err := db.One(ctx, q, db.RowOf(func(c *content) []any { return append(c.profile.columns(), &c.slugs, &rows) }), `-- name: portfolio.Load
SELECT `+profileColumns+`,
       (SELECT coalesce(jsonb_object_agg(slug, project_id), '{}') FROM portfolio_slugs),
       (SELECT coalesce(jsonb_object_agg(kind, entries), '{}')
          FROM (SELECT kind, jsonb_agg(fields || jsonb_build_object('id', id, 'revision', revision, 'created_at', created_at,
                                           'updated_at', updated_at, 'position', position, 'status', status) ORDER BY position, id) AS entries
                  FROM portfolio_entries GROUP BY kind) AS k)
  FROM portfolio`)
	if err != nil {
		return nil, err
	}
	// A check also fills in lists that are newer than the row.
	c.profile.check(new(httpx.Fields))
	c.entries = map[string][]item{}
	for _, k := range []*collection{p.projects, p.skills, p.experience, p.education} {
		for _, row := range rows[k.kind] {
			it := k.blank()
			if err := json.Unmarshal(row, it); err != nil {
				return nil, err
			}
			it.check(new(httpx.Fields))
			c.entries[k.kind] = append(c.entries[k.kind], it)
		}
	}
	return &c, nil
}

// edit is a change in progress: a transaction that locks the whole portfolio against
// other changes, and the revision that it gives to what it touches.
type edit struct {
	*content
	ctx      context.Context
	tx       pgx.Tx
	revision int64
}

// change runs fn in a transaction and records the event that it returns.
func (p *Portfolio) change(ctx context.Context, fn func(ed *edit) (audit.Event, error)) error {
	defer p.shown.Forget()
	return p.DB.InTx(ctx, func(tx pgx.Tx) error {
		revision, err := db.One(ctx, tx, db.Value[int64], `-- name: portfolio.Tick
UPDATE portfolio SET clock = clock + 1 RETURNING clock`)
		if err != nil {
			return err
		}
		c, err := p.load(ctx, tx)
		if err != nil {
			return err
		}
		event, err := fn(&edit{c, ctx, tx, revision})
		if err != nil {
			return err
		}
		if err := p.Audit.Record(ctx, tx, event); err != nil {
			return err
		}
		return db.Notify(ctx, tx, channel, "")
	})
}

// sign makes a token for one purpose from a time and an id, which only this platform
// can do; signed reads it.
func (p *Portfolio) sign(purpose string, at time.Time, id uuid.UUID) string {
	return auth.Sign(p.Keys(purpose), binary.BigEndian.AppendUint64(id[:], uint64(at.UnixMilli())))
}

func (p *Portfolio) signed(purpose, token string) (at time.Time, id uuid.UUID, ok bool) {
	data, ok := auth.Signed(p.Keys(purpose), token, len(id)+8)
	if !ok {
		return at, id, false
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(data[16:]))), uuid.UUID(data[:16]), true
}

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
