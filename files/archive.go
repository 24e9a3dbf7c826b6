package files

import (
	"archive/zip"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/files/disk"
	"homebase/httpx"

	"github.com/google/uuid"
)

const (
	archivePage = 500 // rows of a folder that are held at once
	mostChosen  = 500 // items of POST /files/archive
)

// archive is a zip of some items, folders with all that is in them. It is
// written while it is sent: no temporary file, no lock, and of the tree no
// more in memory than the pages on the way down to one item. Each folder is
// shown as it was when its rows were read. What vanishes or changes before its
// bytes were read breaks the connection off, so that nobody takes a part for
// the whole.
type archive struct {
	owner  uuid.UUID
	folder uuid.UUID // out of which nothing may lead, or uuid.Nil
	items  []placed
	name   string                      // of the file, without .zip
	judge  func(context.Context) error // whether it may still be read
}

// judgedSize is from how many bytes on a file is sent only after the reader was
// judged once more: asking costs little beside it. Whoever reads is judged with
// each page of a folder too.
const judgedSize = 1 << 20

// archiveRequest is the body of POST /files/archive.
type archiveRequest struct {
	IDs []uuid.UUID `json:"ids"`
}

// getArchive is GET /files/items/{id}/archive.
func (f *Files) getArchive(w http.ResponseWriter, r *http.Request, v visit) error {
	it, err := f.requested(r, v)
	if err != nil {
		return err
	}
	return f.sendOwnArchive(w, r, archive{owner: v.owner, items: []placed{it}, name: it.Name})
}

// postArchive is POST /files/archive.
func (f *Files) postArchive(w http.ResponseWriter, r *http.Request, v visit) error {
	in, err := httpx.ReadJSON[archiveRequest](w, r)
	if err != nil {
		return err
	}
	if len(in.IDs) == 0 || len(in.IDs) > mostChosen {
		var fields httpx.Fields
		fields.Add("#/ids", "invalid", fmt.Sprintf("Name 1 to %d files and folders.", mostChosen))
		return fields.Err()
	}
	a := archive{owner: v.owner}
	for i, id := range in.IDs {
		if slices.Contains(in.IDs[:i], id) {
			continue
		}
		it, err := itemByID(r.Context(), f.db, v.owner, id)
		if err != nil {
			return err
		}
		a.items = append(a.items, it)
	}
	return f.sendOwnArchive(w, r, a)
}

func (f *Files) sendOwnArchive(w http.ResponseWriter, r *http.Request, a archive) error {
	a.judge = func(ctx context.Context) error { return f.auth().Still(ctx, mayRead) }
	return f.sendArchive(w, r, a, func() error {
		for _, it := range a.items {
			f.audit.Note(r.Context(), audit.Event{Action: audit.FileDownload, Target: it.ID, Details: map[string]string{"as": "archive"}})
		}
		return nil
	})
}

// sendArchive answers with an archive. permit is asked before its first byte.
// Where nothing is compressed the length is known beforehand and told.
func (f *Files) sendArchive(w http.ResponseWriter, r *http.Request, a archive, permit func() error) error {
	ctx := r.Context()
	var foreseen, sent zipLength
	err := f.entries(ctx, a, func(name string, it placed) error {
		foreseen.add(name, &it.item, it.Size)
		return nil
	})
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	if a.name == "" {
		a.name = "files"
	}
	h.Set("Content-Disposition", "attachment"+dispositionName(a.name+".zip"))
	if !foreseen.deflated {
		h.Set("Content-Length", strconv.FormatInt(foreseen.total(), 10))
	}
	if r.Method == http.MethodHead {
		return nil
	}
	if err := permit(); err != nil {
		return err
	}
	z := zip.NewWriter(w)
	deflate, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		return err
	}
	z.RegisterCompressor(zip.Deflate, func(to io.Writer) (io.WriteCloser, error) {
		deflate.Reset(to) // one entry at a time: one compressor is enough
		return deflate, nil
	})
	err = f.entries(ctx, a, func(name string, it placed) error {
		size, err := f.pack(ctx, z, a, name, it)
		sent.add(name, &it.item, size)
		return err
	})
	switch {
	case err == nil && !foreseen.deflated && sent != foreseen, errors.Is(err, db.ErrNotFound), errors.Is(err, errGoneOn):
		return httpx.ErrBusy.With("Something was changed or removed while it was archived. Ask again.").Because(err)
	case err != nil:
		return err
	}
	return z.Close()
}

// entries calls visit for every entry of an archive, a folder before what is
// in it.
func (f *Files) entries(ctx context.Context, a archive, visit func(name string, it placed) error) error {
	taken := zipNames{}
	for _, it := range a.items {
		name := ""
		if it.Parent != nil {
			name = taken.claim(it.Name)
		}
		if err := f.entriesOf(ctx, a, name, it, visit); err != nil {
			return err
		}
	}
	return nil
}

func (f *Files) entriesOf(ctx context.Context, a archive, name string, it placed, visit func(name string, it placed) error) error {
	if it.isFile() {
		return visit(name, it)
	}
	if name != "" {
		name += "/"
		if err := visit(name, it); err != nil {
			return err
		}
	}
	taken := zipNames{}
	for page := (httpx.Page{Limit: archivePage}); ; {
		if err := a.judge(ctx); err != nil {
			return err
		}
		list, err := children(ctx, f.db, a.owner, it.ID, orders["name"], page)
		if err != nil {
			return err
		}
		for _, c := range list[:min(len(list), archivePage)] {
			if err := f.entriesOf(ctx, a, name+taken.claim(c.Name), placed{c.item, it.path + "/" + c.Name}, visit); err != nil {
				return err
			}
		}
		if len(list) <= archivePage {
			return nil
		}
		last := list[archivePage-1]
		page.After = []string{strconv.Itoa(int(last.Kind)), last.sort, last.ID.String()}
	}
}

// pack writes one entry, and tells how many bytes it has.
func (f *Files) pack(ctx context.Context, z *zip.Writer, a archive, name string, it placed) (int64, error) {
	if !it.isFile() {
		_, err := z.CreateHeader(zipHeader(name, &it.item, it.Updated))
		return 0, err
	}
	if it.Size >= judgedSize {
		if err := a.judge(ctx); err != nil {
			return 0, err
		}
	}
	c, err := f.openListed(ctx, a, it)
	if err != nil {
		return 0, err
	}
	defer c.file.Close()
	entry, err := z.CreateHeader(zipHeader(name, &it.item, c.info.ModTime()))
	if err != nil {
		return 0, err
	}
	buf := buffers.Get().(*[copyBuffer]byte)
	defer buffers.Put(buf)
	n, err := io.CopyBuffer(entry, whileAsked{ctx, c.file}, buf[:])
	if err == nil && n != c.info.Size() {
		err = errGoneOn
	}
	if err == nil {
		err = stillAs(c.info, c.file)
	}
	return n, err
}

// openListed opens a file whose row was just read. When it lies there as the
// row says no query is needed.
func (f *Files) openListed(ctx context.Context, a archive, it placed) (content, error) {
	file, info, err := f.disk.Open(disk.UserPath(a.owner, it.path))
	if err == nil {
		if it.shows(file, info) {
			return content{file: file, info: info, item: readable{placed: it}, proven: true}, nil
		}
		file.Close()
	}
	return f.openBelow(ctx, a.owner, it.ID, a.folder)
}

// zipHeader describes an entry. Its time is an extended timestamp, in UTC, and
// for old readers one in MS-DOS form, which begins in 1980.
func zipHeader(name string, it *item, modified time.Time) *zip.FileHeader {
	if first := time.Unix(315532800, 0); modified.Before(first) {
		modified = first
	}
	h := &zip.FileHeader{Name: name, Modified: modified.UTC()}
	h.SetMode(fs.ModeDir | 0o755)
	if it.isFile() {
		h.SetMode(0o644)
		h.Method = zipMethod(it)
	}
	return h
}

// zipMethod stores what compressing would only make slower.
func zipMethod(it *item) uint16 {
	if it.isFile() && it.Size > 0 && compressible(*it.MediaType) {
		return zip.Deflate
	}
	return zip.Store
}

// zipLength foresees how long an archive that archive/zip writes will be, as
// long as every entry is stored: APPNOTE.TXT, 4.3.
type zipLength struct {
	entries   int
	before    int64 // the central directory
	directory int64
	deflated  bool // it cannot be foreseen
}

const zip32 = 1<<32 - 1 // from here on a number needs the zip64 form

func (l *zipLength) add(name string, it *item, size int64) {
	const local, central, timestamp, descriptor, descriptor64, extra64 = 30, 46, 9, 16, 24, 28
	named := int64(len(name)) + timestamp
	l.entries++
	l.deflated = l.deflated || zipMethod(it) != zip.Store
	l.directory += central + named
	if size >= zip32 || l.before >= zip32 {
		l.directory += extra64
	}
	l.before += local + named + size
	switch {
	case !it.isFile():
	case size >= zip32:
		l.before += descriptor64
	default:
		l.before += descriptor
	}
}

func (l *zipLength) total() int64 {
	const end, end64 = 22, 56 + 20
	total := l.before + l.directory + end
	if l.entries >= 1<<16-1 || l.directory >= zip32 || l.before >= zip32 {
		total += end64
	}
	return total
}

// zipNames are the names of one folder of an archive, as hashes of how a
// system reads them that does not tell cases apart.
type zipNames map[uint64]struct{}

// claim is a name that Windows can hold and that no other entry of the folder
// has there: where two would be one, the later gets a mark.
func (t zipNames) claim(name string) string {
	safe := windowsName(name)
	for n := 1; ; n++ {
		candidate := safe
		if n > 1 {
			candidate = disk.MarkName(safe, fmt.Sprintf(" (%d)", n))
		}
		h := fnv.New64a()
		io.WriteString(h, strings.ToLower(candidate))
		if _, taken := t[h.Sum64()]; !taken {
			t[h.Sum64()] = struct{}{}
			return candidate
		}
	}
}

// windowsName replaces what a name cannot have on Windows: some characters, a
// dot or space at the end, and the names of devices, whatever the extension.
func windowsName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune(`<>:"/\|?*`, r) {
			return '_'
		}
		return r
	}, name)
	if bare := strings.TrimRight(name, " ."); bare != name {
		name = bare + "_"
	}
	stem, _, _ := strings.Cut(name, ".")
	stem = strings.ToUpper(strings.TrimRight(stem, " "))
	port, numbered := strings.CutPrefix(strings.Replace(stem, "LPT", "COM", 1), "COM")
	device := slices.Contains([]string{"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}, stem) ||
		numbered && slices.Contains([]string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²", "³"}, port)
	if device {
		name = "_" + name
	}
	return name
}
