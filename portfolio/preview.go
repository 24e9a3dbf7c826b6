package portfolio

import (
	"net/http"
	"time"

	"homebase/audit"
	"homebase/httpx"

	"github.com/jackc/pgx/v5"
)

const (
	previewPurpose = "preview"
	previewLives   = 7 * 24 * time.Hour
)

// Preview is a link that shows one project, draft or not, to whoever has it.
type Preview struct {
	Token     string    `json:"token"`
	Path      string    `json:"path"`
	ExpiresAt time.Time `json:"expires_at"`
}

// postPreview signs a link. It is not stored: it ends when it expires or the project
// is deleted.
func (p *Portfolio) postPreview(c *httpx.Call) (made Preview, err error) {
	var project item
	ctx := c.Context()
	err = p.DB.InTx(ctx, func(tx pgx.Tx) error {
		all, err := p.load(ctx, tx)
		if err != nil {
			return err
		}
		if project, err = p.projects.find(all, c.Request); err != nil {
			return err
		}
		return p.Audit.Record(ctx, tx, p.projects.event(audit.PortfolioPreview, project))
	})
	if err != nil {
		return made, err
	}
	expires := time.Now().Add(previewLives).UTC().Truncate(time.Second)
	token := p.sign(previewPurpose, expires, project.entry().ID)
	path := "/portfolio/previews/" + token
	c.Created(path)
	return Preview{Token: token, Path: httpx.Prefix + path, ExpiresAt: expires}, nil
}

// getPreview serves GET /portfolio/previews/{token}. The answer is the same for a
// wrong link, an expired one and one to a deleted project.
func (p *Portfolio) getPreview(w http.ResponseWriter, r *http.Request) error {
	gone := httpx.ErrNotFound.With("The link is wrong or has expired; ask for a new one.")
	expires, id, ok := p.signed(previewPurpose, r.PathValue("token"))
	// A link from a clock that was set back would be valid for too long.
	if left := time.Until(expires); !ok || left <= 0 || left > previewLives+time.Minute {
		return gone
	}
	return p.readNow(w, r, func(c *content) (*page, error) {
		list := c.entries[p.projects.kind]
		at := index(list, id)
		if at < 0 {
			return nil, gone
		}
		return newPage(list[at])
	})
}
