package files

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"

	"homebase/cli"
	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"

	"github.com/google/uuid"
)

// rebuilt is what could be read back from the disk.
type rebuilt struct {
	Owners   int64         `json:"owners"`
	Items    int64         `json:"items"`  // files and folders, the trash's too
	Passed   int64         `json:"passed"` // owners whose rows are there: a scan is for them
	Problems []scanProblem `json:"problems"`
}

// notGivenBack is what no file carries.
const notGivenBack = "Not on the disk, and so not restored: names and members of spaces, quotas, shares, revisions, and declared media types."

// rebuild makes the rows again of every owner who has none: the tree, ids,
// names, sizes, sums, times and the trash, by what files and folders carry. A
// rebuild is a scan of a tree without rows, so it can be cut off and repeated.
// Accounts are not files: whoever has none is named and left as it is. A space
// needs none, and is there again without a name or members.
func (rc *reconciler) rebuild(ctx context.Context, told func(what, where string)) (*rebuilt, error) {
	out := &rebuilt{Problems: []scanProblem{}}
	folders, err := rc.vol.foldersIn(disk.Users, disk.Spaces)
	if err != nil {
		return out, err
	}
	for _, place := range folders {
		owner, err := uuid.Parse(path.Base(place))
		if err != nil || disk.OwnerPath(owner, "") != place {
			out.Problems = append(out.Problems, scanProblem{place, "it is not the folder of an account or a space"})
			continue
		}
		root, state, err := rc.replant(ctx, owner, place)
		switch {
		case err != nil:
			return out, err
		case state != "":
			out.Problems = append(out.Problems, scanProblem{place, state})
			continue
		case root == uuid.UUID{}:
			out.Passed++
			continue
		}
		report := &scanReport{told: told}
		at := placed{item: item{journal.Item{ID: root}}}
		if err := rc.reconcile(ctx, owner, at, true, report); err != nil {
			return out, err
		}
		out.Owners++
		out.Items += report.New
		out.Problems = append(out.Problems, report.Problems...)
	}
	return out, nil
}

// replant makes an owner's tree with the root that the folder carries. The
// root is zero when the owner has rows; state says why there can be no tree.
func (rc *reconciler) replant(ctx context.Context, owner uuid.UUID, place string) (root uuid.UUID, state string, err error) {
	const exists = `-- name: files.AccountAndRows
		SELECT is_space($1) OR EXISTS (SELECT FROM users u WHERE u.id = $1),
		       EXISTS (SELECT FROM items i WHERE i.owner_id = $1 AND i.parent_id IS NOT NULL)`
	const insertTree = `-- name: files.InsertTreeAgain
		` + withOwner + `, space AS (INSERT INTO spaces (id, name) SELECT $1, $1::text WHERE is_space($1) ON CONFLICT DO NOTHING)
		INSERT INTO trees AS t (owner_id, root_id, feed_epoch) VALUES ($1, $2, $3)
		    ON CONFLICT (owner_id) DO UPDATE SET root_id = excluded.root_id, feed_epoch = excluded.feed_epoch, feed_from = 0
		         WHERE NOT EXISTS (SELECT FROM items i WHERE i.owner_id = t.owner_id)`
	const forget = `-- name: files.ForgetChanges
		DELETE FROM changes c WHERE c.owner_id = $1`
	type known struct{ account, rows bool }
	k, err := db.One(ctx, rc.db, db.RowOf(func(k *known) []any { return []any{&k.account, &k.rows} }), exists, owner)
	switch {
	case err != nil || k.rows:
		return root, "", err
	case !k.account:
		return root, "there is no account with this id: make one, move the files into its folder, and run homebase files scan", nil
	}
	info, err := rc.vol.disk.Lstat(place)
	if err != nil || !info.IsDir() {
		return root, "it is not a folder", nil
	}
	folder, err := rc.vol.disk.Folder(place)
	if err != nil {
		return root, "", err
	}
	defer folder.Close()
	id := disk.ID(folder)
	if rows, err := pathsOf(ctx, rc.db, []uuid.UUID{id}); err != nil || len(rows) > 0 || id == uuid.Nil {
		id = journal.NewID()
	}
	if err := db.Exec(ctx, rc.db, insertTree, owner, id, journal.NewID()); err != nil {
		return root, "", err
	}
	c := journal.Change{Owner: owner, Decide: func(ctx context.Context, t *journal.Tx) error {
		root = t.Tree.Root
		if _, err := insertRoot(ctx, t, owner); err != nil {
			return ignoreNotFound(err)
		}
		return db.Exec(ctx, t, forget, owner)
	}}
	if err := rc.journal.Commit(ctx, c); err != nil {
		return root, "", err
	}
	return root, "", errors.Join(disk.Mark(folder, root, nil, info), rc.vol.disk.Sync(folder))
}

func (f *Files) rebuildCommand(ctx context.Context, sh *cli.Shell, args []string) error {
	flags := sh.Flags("files rebuild")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if _, err := f.vol.claim(ctx, true); err != nil {
		return err
	}
	return f.asWorker(ctx, func() error {
		line, n := cli.NewProgress(sh.Stderr), 0
		out, err := f.rc.rebuild(ctx, func(what, where string) {
			n++
			line.Show("%d items", n)
		})
		line.End()
		if err != nil {
			return err
		}
		if *asJSON {
			return json.NewEncoder(sh.Stdout).Encode(out)
		}
		for _, p := range out.Problems {
			fmt.Fprintf(sh.Stdout, "%q: %s\n", p.Path, p.Problem)
		}
		fmt.Fprintf(sh.Stdout, "%d files and folders of %d owners have rows again; %d owners already had theirs.\n%s\nRestart servers that were running.\n",
			out.Items, out.Owners, out.Passed, notGivenBack)
		return nil
	})
}
