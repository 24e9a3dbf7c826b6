package files

import (
	"context"
	"errors"
	"net/http"
	"path"
	"strings"

	"homebase/db"
	"homebase/files/journal"

	"github.com/google/uuid"
)

// spot is where an upload goes, as the rows show it at one moment.
type spot struct {
	parent  uuid.UUID // the deepest folder that is there
	missing []string  // folders that are not
	name    string
	path    string // "/documents/a.pdf"
	item    *item  // what is there already, a file
	free    bool   // nothing may be there, and another's is refused
}

// displaced is the size of what the upload replaces.
func (s spot) displaced() int64 {
	if s.item == nil {
		return 0
	}
	return s.item.Size
}

// tags are the entity tags by which the present content may be named.
func (s spot) tags() []string {
	if s.item == nil {
		return nil
	}
	return []string{s.item.contentTag(), s.item.tag()}
}

// finder looks an upload's spot up: once before the body is read, to refuse
// early, and again under the owner's lock, where it counts.
type finder func(ctx context.Context, q db.Querier) (spot, error)

// byPath finds the spot that names lead to. Without parents all its folders must be
// there.
func byPath(owner uuid.UUID, names []string, parents bool) finder {
	return func(ctx context.Context, q db.Querier) (spot, error) {
		last, missing, err := walk(ctx, q, owner, names)
		if err != nil {
			return spot{}, err
		}
		s := spot{name: names[len(names)-1], path: joinNames(names)}
		switch {
		case len(missing) > 0 && last.IsFile():
			return s, errNotFolder.With("A part of the path is a file.")
		case len(missing) > 1 && !parents:
			return s, errParentMissing
		case len(missing) > 0:
			s.parent, s.missing = last.ID, missing[:len(missing)-1]
		case !last.IsFile():
			return s, journal.ErrNameConflict.With("There is a folder with this name.")
		default:
			s.parent, s.item = *last.Parent, &last.item
		}
		return s, nil
	}
}

// spotIn is the spot of a name in a folder, whatever is there.
func spotIn(ctx context.Context, q db.Querier, owner, parent uuid.UUID, name string) (spot, error) {
	if err := checkName(name); err != nil {
		return spot{}, err
	}
	folder, err := folderByID(ctx, q, owner, parent)
	if err != nil {
		return spot{}, err
	}
	s := spot{parent: parent, name: name, path: folder.path + "/" + name}
	return s, checkExtent(strings.Count(s.path, "/"), len(s.path))
}

// inFolder finds the spot of a name in the folder of that id, wherever the
// folder lies: it may be moved between two questions, so nothing is looked up
// by its path.
func inFolder(owner, parent uuid.UUID, name string) finder {
	return func(ctx context.Context, q db.Querier) (spot, error) {
		const sql = `-- name: files.InFolder
			SELECT ` + itemColumns + ` FROM items i
			 WHERE i.parent_id = $1 AND normalize(i.name, NFC) = normalize($2, NFC) AND i.name = $2 AND i.trashed_at IS NULL`
		s, err := spotIn(ctx, q, owner, parent, name)
		if err != nil {
			return s, err
		}
		there, err := db.One(ctx, q, scanItem, sql, parent, name)
		switch {
		case errors.Is(err, db.ErrNotFound):
			return s, nil
		case err == nil && !there.IsFile():
			err = journal.ErrNameConflict.With("There is a folder with this name.")
		}
		s.item = &there
		return s, err
	}
}

// byID finds the spot of a file that is there.
func byID(owner, id uuid.UUID) finder {
	return func(ctx context.Context, q db.Querier) (spot, error) {
		it, err := itemByID(ctx, q, owner, id)
		if err != nil {
			return spot{}, err
		}
		if !it.IsFile() {
			return spot{}, errNotFile
		}
		return spot{parent: *it.Parent, name: it.Name, path: it.path, item: &it.item}, nil
	}
}

// hint is the path of a folder in which a file was just made. Who puts a small
// new file beside it need not ask first where that is and whether the name is
// free: the commit looks at both anyway, and says to look again where the hint
// was wrong.
type hint struct {
	owner uuid.UUID
	path  string
}

// hinted is byPath for a request that puts a file. At first it may give the
// spot of a new file in a folder that a hint knows; asked again, it looks. A
// body that is larger, or that its sender may spare, is worth the look.
func (wr *writer) hinted(r *http.Request, owner uuid.UUID, names []string, parents bool) finder {
	look := byPath(owner, names, parents)
	for _, name := range []string{"If-Match", "If-None-Match", "Expect"} {
		if r.Header.Get(name) != "" {
			return look
		}
	}
	at := joinNames(names)
	folder, ok := wr.hints.get(hint{owner, path.Dir(at)})
	if !ok || r.ContentLength < 0 || r.ContentLength > unreserved {
		return look
	}
	return func(ctx context.Context, q db.Querier) (spot, error) {
		if ok {
			ok = false
			return spot{parent: folder, name: path.Base(at), path: at}, nil
		}
		wr.hints.drop(hint{owner, path.Dir(at)})
		return look(ctx, q)
	}
}
