package files

import (
	"context"
	"errors"
	"os"

	"homebase/audit"
	"homebase/auth"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
)

// Opened is an open file for another room. Close it.
type Opened struct {
	*os.File
	Name, MediaType string
	Size            int64 // bytes
}

// Open opens a file of the caller in ctx, who needs files:read. What is not
// theirs is db.ErrNotFound. It is recorded like a download.
func (f *Files) Open(ctx context.Context, id uuid.UUID) (Opened, error) {
	caller := httpx.CallerOf(ctx)
	switch away := f.vol.away.Load(); {
	case caller == nil:
		return Opened{}, httpx.ErrUnauthenticated
	case !caller.Can(auth.FilesRead):
		return Opened{}, httpx.ErrForbidden.With("This needs the permission \"" + auth.FilesRead + "\".")
	case away != nil:
		return Opened{}, journal.ErrUnavailable.Because(errors.New(*away))
	}
	c, err := f.rd.openContent(ctx, caller.UserID, id)
	if err != nil {
		return Opened{}, err
	}
	f.audit.Note(ctx, audit.Event{Action: audit.FileDownload, Target: id})
	return Opened{File: c.file, Name: c.item.Name, MediaType: *c.item.MediaType, Size: c.info.Size()}, nil
}
