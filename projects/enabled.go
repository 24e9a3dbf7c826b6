package projects

import (
	"context"
	"slices"

	"homebase/audit"
	"homebase/auth"
	"homebase/db"
	"homebase/httpx"

	"github.com/jackc/pgx/v5"
)

// channel notifies that an app was turned off or on.
const channel = "apps"

// Info is an app as its users see it.
type Info struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Enabled     bool   `json:"enabled"`
	// Permissions are those of the app that the caller holds.
	Permissions []string `json:"permissions"`
}

// Change is the body of PATCH /projects/{app}.
type Change struct {
	Enabled httpx.Optional[bool] `json:"enabled"` // null is true, as for an app that nobody touched
}

func (p *Projects) ownRoutes() []httpx.Route {
	return []httpx.Route{
		{Pattern: "GET /projects", Access: httpx.SignedIn().OrKey().OrOperator(), Rate: httpx.RateRead,
			Summary: "The apps that the caller may use; who manages the system sees all", Do: httpx.Answers(p.getProjects)},
		{Pattern: "PATCH /projects/{app}", Access: httpx.Needs(auth.SystemManage).OrOperator(), Rate: httpx.RateWrite, Body: 1 << 10,
			Summary: "Turn an app off or on", Do: httpx.JSON(p.patchProject), Problems: httpx.Problems{httpx.ErrNotFound}},
	}
}

// info is the app as a caller sees it; ok says whether they may use it.
func (h *Host) info(off []string, caller *httpx.Caller) (i Info, ok bool) {
	i = Info{Name: h.app.Name, Description: h.app.Description, Enabled: !slices.Contains(off, h.app.Name), Permissions: []string{}}
	for _, permission := range h.app.Permissions {
		if caller.Can(permission.Name) {
			i.Permissions = append(i.Permissions, permission.Name)
		}
	}
	slices.Sort(i.Permissions)
	return i, i.Enabled && (len(h.app.Permissions) == 0 || len(i.Permissions) > 0)
}

func (p *Projects) getProjects(c *httpx.Call) (httpx.List[Info], error) {
	off, err := p.off.Get(c.Context())
	list := httpx.List[Info]{Items: []Info{}}
	for _, h := range p.apps {
		if i, ok := h.info(off, c.Caller); ok || c.Caller.Can(auth.SystemManage) {
			list.Items = append(list.Items, i)
		}
	}
	return list, err
}

func (p *Projects) patchProject(c *httpx.Call, in Change) (Info, error) {
	h, err := p.find(c.PathValue("app"))
	if err == nil && in.Enabled.Set {
		err = p.turn(c.Context(), h, in.Enabled.Null || in.Enabled.Value)
	}
	if err != nil {
		return Info{}, err
	}
	off, err := p.off.Get(c.Context())
	i, _ := h.info(off, c.Caller)
	return i, err
}

// find returns the app with that name, or db.ErrNotFound.
func (p *Projects) find(name string) (*Host, error) {
	for _, h := range p.apps {
		if h.app.Name == name {
			return h, nil
		}
	}
	return nil, db.ErrNotFound
}

// turn turns an app on or off: on this worker before it returns, and on all others
// when it commits. If nothing changes, nothing is recorded.
func (p *Projects) turn(ctx context.Context, h *Host, on bool) error {
	sql, action := `-- name: projects.Disable
		INSERT INTO disabled_apps (name) VALUES ($1) ON CONFLICT DO NOTHING`, audit.AppDisabled
	if on {
		sql, action = `-- name: projects.Enable
		DELETE FROM disabled_apps WHERE name = $1`, audit.AppEnabled
	}
	defer p.off.Forget()
	return p.DB.InTx(ctx, func(tx pgx.Tx) error {
		n, err := db.Affected(ctx, tx, sql, h.app.Name)
		if err != nil || n == 0 {
			return err
		}
		if err := p.Audit.Record(ctx, tx, audit.Event{Action: action, Details: map[string]string{"app": h.app.Name}}); err != nil {
			return err
		}
		return db.Notify(ctx, tx, channel, h.app.Name)
	})
}

// enabled says whether the app is turned on; if nobody knows, it is not.
func (h *Host) enabled(ctx context.Context) (bool, error) {
	off, err := h.p.off.Get(ctx)
	return err == nil && !slices.Contains(off, h.app.Name), err
}

// readDisabled reads the names of the apps that are turned off.
func (p *Projects) readDisabled(ctx context.Context) ([]string, error) {
	return db.All(ctx, p.DB, db.Value[string], `-- name: projects.Disabled
		SELECT name FROM disabled_apps`)
}
