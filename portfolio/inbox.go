package portfolio

import (
	"context"
	"slices"
	"strconv"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// messageStates are the states of a message, spam last.
var messageStates = []string{"new", "read", "archived", "spam"}

// How long messages are kept: they are other people's words and addresses.
const (
	keepSpam     = 30 * 24 * time.Hour
	keepMessages = 365 * 24 * time.Hour
)

// Message is a message from a stranger.
type Message struct {
	ID        uuid.UUID `json:"id"`
	State     string    `json:"state"`
	Name      string    `json:"name"`
	Email     string    `json:"email"`
	Subject   string    `json:"subject"`
	Message   string    `json:"message"`
	Score     int       `json:"score"`   // from 3 on it was taken for spam
	Reasons   []string  `json:"reasons"` // honeypot, duplicate, markup, links, flood
	Revision  int64     `json:"revision"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// ETag is the message's tag.
func (m Message) ETag() string { return httpx.RevisionTag(m.Revision) }

const messageColumns = `id, state, name, email, subject, message, score, reasons, revision, created_at, updated_at`

var scanMessage = db.RowOf(func(m *Message) []any {
	return []any{&m.ID, &m.State, &m.Name, &m.Email, &m.Subject, &m.Message, &m.Score, &m.Reasons, &m.Revision, &m.CreatedAt, &m.UpdatedAt}
})

// Inbox is a page of messages, newest first, and how many there are in each state.
type Inbox struct {
	httpx.List[Message]
	Counts map[string]int `json:"counts"`
}

// getInbox serves GET /portfolio/contact: one state, or all except spam.
func (p *Portfolio) getInbox(c *httpx.Call) (Inbox, error) {
	q, states := c.URL.Query(), messageStates[:3]
	if q.Has("state") {
		if states = q["state"]; len(states) != 1 || !slices.Contains(messageStates, states[0]) {
			return Inbox{}, httpx.ErrInvalidParameter.With("state must be new, read, archived or spam.")
		}
	}
	page, err := httpx.KeysetOf[uuid.UUID](c)
	if err != nil {
		return Inbox{}, err
	}
	messages, err := db.All(c.Context(), p.DB, scanMessage, `-- name: portfolio.Messages
SELECT `+messageColumns+`
  FROM portfolio_messages
 WHERE state = ANY($1) AND id < $2
 ORDER BY id DESC
 LIMIT $3`, states, page.After(uuid.Max), page.Limit)
	if err != nil {
		return Inbox{}, err
	}
	counts, err := db.One(c.Context(), p.DB, db.Value[map[string]int], `-- name: portfolio.CountMessages
SELECT jsonb_object_agg(s.state, (SELECT count(*) FROM portfolio_messages m WHERE m.state = s.state))
  FROM unnest($1::text[]) AS s (state)`, messageStates)
	return Inbox{httpx.ListBy(page, messages, func(m Message) uuid.UUID { return m.ID }), counts}, err
}

// changeMessage runs fn, which changes the message of the path and returns the
// revision that it had, and records the action. If the client last saw another
// revision, the change is undone.
func (p *Portfolio) changeMessage(c *httpx.Call, e audit.Event, fn func(ctx context.Context, tx db.Querier) (was int64, err error)) error {
	e.Target = c.ID
	return p.DB.InTx(c.Context(), func(tx pgx.Tx) error {
		was, err := fn(c.Context(), tx)
		if err == nil {
			err = c.Match(was)
		}
		if err == nil {
			err = p.Audit.Record(c.Context(), tx, e)
		}
		return err
	})
}

// MessageChange is the body of PATCH /portfolio/contact/{id}.
type MessageChange struct {
	State string `json:"state"` // such as spam, or new for what was taken for it by mistake
}

func (p *Portfolio) patchMessage(c *httpx.Call, in MessageChange) (saved Message, err error) {
	if !slices.Contains(messageStates, in.State) {
		return saved, httpx.Invalid("#/state", "invalid", "The state is new, read, archived or spam.")
	}
	change := audit.Event{Action: audit.MessageUpdated, Details: map[string]string{"state": in.State}}
	err = p.changeMessage(c, change, func(ctx context.Context, tx db.Querier) (was int64, err error) {
		saved, err = db.One(ctx, tx, scanMessage, `-- name: portfolio.UpdateMessage
UPDATE portfolio_messages SET state = $2, revision = revision + 1, updated_at = now() WHERE id = $1
RETURNING `+messageColumns, c.ID, in.State)
		return saved.Revision - 1, err
	})
	return saved, err
}

func (p *Portfolio) deleteMessage(c *httpx.Call) error {
	return p.changeMessage(c, audit.Event{Action: audit.MessageDeleted}, func(ctx context.Context, tx db.Querier) (was int64, err error) {
		return db.One(ctx, tx, db.Value[int64], `-- name: portfolio.DeleteMessage
DELETE FROM portfolio_messages WHERE id = $1 RETURNING revision`, c.ID)
	})
}

// anyUsesOver reports whether there is anything to sweep that must not pile up.
// Messages are kept so long that one more hour does not matter.
func (p *Portfolio) anyUsesOver(ctx context.Context) (bool, error) {
	return db.One(ctx, p.DB, db.Value[bool], `-- name: portfolio.AnyUsesOver
SELECT EXISTS (SELECT FROM portfolio_uses WHERE expires_at < now())`)
}

// sweep deletes what has expired.
func (p *Portfolio) sweep(ctx context.Context) error {
	return p.DB.InTx(ctx, func(tx pgx.Tx) error {
		if err := trimSpam(ctx, tx); err != nil {
			return err
		}
		gone, err := db.Affected(ctx, tx, `-- name: portfolio.Sweep
WITH uses AS (DELETE FROM portfolio_uses WHERE expires_at < now())
DELETE FROM portfolio_messages
 WHERE created_at < now() - CASE WHEN state = 'spam' THEN $1::interval ELSE $2::interval END`, keepSpam, keepMessages)
		if err != nil || gone == 0 {
			return err
		}
		return p.Audit.Record(ctx, tx, audit.Event{Action: audit.MessagesPurged, Details: map[string]string{"messages": strconv.FormatInt(gone, 10)}})
	})
}
