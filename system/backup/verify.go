package backup

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"homebase/db"
)

// verify reads a restore point and compares everything with its checksum.
func (b *Backup) verify(ctx context.Context, sh *db.Shell, dir, point string) error {
	st, m, err := b.openPoint(dir, point)
	if err != nil {
		return err
	}
	defer st.close()
	line := newBar(sh.Stderr)
	defer line.End()
	bad, err := st.compare(ctx, m, line)
	line.End()
	if err != nil {
		return err
	}
	printAll(sh.Stdout, bad)
	printAll(sh.Stdout, m.Loose.Problems)
	if len(bad) > 0 {
		return fmt.Errorf("%d parts of the restore point %s are not what was written", len(bad), m.Name)
	}
	fmt.Fprintf(sh.Stdout, "%s is intact: %d tables and %d files (%s) match their checksums.\n", m.Name, len(m.Tables), m.Files.Count, bytesText(m.Files.Bytes))
	if !st.proven {
		fmt.Fprintln(sh.Stdout, "The secret used then is not configured here, so nobody can tell whether somebody edited the point and its checksums.")
	}
	return nil
}

// compare reads every part and every object of a point, and names what is damaged,
// missing, or present although nothing lists it.
func (st *store) compare(ctx context.Context, m *Manifest, line *bar) (bad []string, err error) {
	lists := true
	for _, p := range m.parts() {
		sum, size, err := sumOf(ctx, st.path(p.Name))
		if err != nil || sum != p.SHA256 || size != p.Size {
			bad = append(bad, fmt.Sprintf("%s: %s", p.Name, cmp.Or(errText(err), "its bytes are not the ones that were written")))
			lists = lists && p != m.Files.Part && p != m.Loose.Part
		}
	}
	if !lists {
		return append(bad, "Without its lists of files, nothing else in the point can be checked."), nil
	}
	seen := map[[32]byte]bool{}
	var done int64
	err = st.eachObject(m, func(hash, path string, size int64) error {
		done += size
		key := keyOf(hash)
		if hash == "" || seen[key] {
			return nil
		}
		seen[key] = true
		sum, _, err := sumOf(ctx, st.object(hash))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil || sum != hash {
			heal := errRotten.Error() + "; remove " + st.object(hash) + " and back up again, while the file is sound"
			bad = append(bad, fmt.Sprintf("%q: %s", path, cmp.Or(errText(err), heal)))
		}
		line.show("comparing", done, m.Files.Bytes)
		return nil
	})
	if err != nil {
		return bad, err
	}
	strays, err := st.strays(m)
	return append(bad, strays...), err
}

// strays names the files of the point that its manifest does not list, and the objects
// that no point names.
func (st *store) strays(m *Manifest) (bad []string, err error) {
	known := []string{manifestName, sumName}
	for _, p := range m.parts() {
		known = append(known, p.Name)
	}
	err = filepath.WalkDir(st.point, func(path string, d fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, st.point+"/")
		if err == nil && !d.IsDir() && !slices.Contains(known, name) {
			bad = append(bad, fmt.Sprintf("%s: it is not part of the point", name))
		}
		return err
	})
	if err != nil {
		return bad, err
	}
	points, err := st.points()
	if err != nil {
		return bad, err
	}
	err = st.eachUnnamed(points, func(path string) error {
		bad = append(bad, path+": no restore point names it; the next backup with --keep removes it")
		return nil
	})
	if err != nil { // in another point
		bad = append(bad, err.Error())
	}
	return bad, nil
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
