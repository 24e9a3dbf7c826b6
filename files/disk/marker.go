package disk

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/google/uuid"
)

// halfRestored stands where the id belongs while a restore is under way.
const halfRestored = "a restore has not finished"

// ErrHalfRestored says that a restore into the directory was cut off.
var ErrHalfRestored = errors.New("a restore into this data directory was interrupted: empty the directory and the database, and restore again; docs/backup.md lists the commands")

// Marker reads the id of this data directory; fs.ErrNotExist without one.
func (d *Dir) Marker() (uuid.UUID, error) {
	text, err := d.root.ReadFile(MarkerFile)
	if err != nil {
		return uuid.UUID{}, err
	}
	if strings.TrimSpace(string(text)) == halfRestored {
		return uuid.UUID{}, fmt.Errorf("%s: %w", d.path, ErrHalfRestored)
	}
	id, err := uuid.Parse(strings.TrimSpace(string(text)))
	if err != nil {
		return uuid.UUID{}, fmt.Errorf("%s does not hold an id: %w", path.Join(d.path, MarkerFile), err)
	}
	return id, nil
}

// SetMarker gives the directory its id. A crash leaves the old marker or the
// whole new one.
func (d *Dir) SetMarker(id uuid.UUID) error { return d.writeMarker(id.String()) }

// MarkHalfRestored keeps servers away until SetMarker.
func (d *Dir) MarkHalfRestored() error { return d.writeMarker(halfRestored) }

func (d *Dir) writeMarker(text string) error {
	const draft = MarkerFile + ".new"
	if err := d.root.WriteFile(draft, []byte(text+"\n"), 0o600); err != nil {
		return err
	}
	f, err := d.root.Open(draft)
	if err != nil {
		return err
	}
	if err := errors.Join(d.Sync(f), f.Close()); err != nil {
		return err
	}
	if err := d.root.Rename(draft, MarkerFile); err != nil {
		return err
	}
	return d.Sync(d.self)
}
