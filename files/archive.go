package files

import (
	"archive/zip"
	"cmp"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
)

const archivePage = 500 // rows of a folder that are held at once

// archive is a zip of some items, folders with all that is in them. It is
// written while it is sent: no temporary file, no lock, and of the tree no
// more in memory than the pages on the way down to one item. Each folder is
// shown as it was when its rows were read. What cannot be read is left out, and
// an entry at the end says what is missing and why, so that nobody takes a part
// for the whole. Where the length was told, and something vanishes or changes
// meanwhile, the connection breaks off.
type archive struct {
	owner uuid.UUID
	items []archived
	name  string // of the file, without .zip
}

// archived is an item of an archive.
type archived struct {
	placed
	folder uuid.UUID                   // out of which nothing may lead, or uuid.Nil
	judge  func(context.Context) error // whether it may still be read
}

// judgedSize is from how many bytes on a file is sent only after the reader was
// judged once more: asking costs little beside it. Whoever reads is judged with
// each page of a folder too.
const judgedSize = 1 << 20

// archiveRequest is the body of POST /files/archive: items of one tree.
type archiveRequest struct {
	IDs []uuid.UUID `json:"ids" most:"500,invalid"`
}

// getArchive is GET /files/items/{id}/archive.
func (rd *reader) getArchive(w http.ResponseWriter, r *http.Request, v visit) error {
	if r.PathValue("id") == "root" {
		v.item = v.root
	}
	it, err := itemByID(r.Context(), rd.db, v.owner, v.item)
	if err != nil {
		return err
	}
	return rd.sendOwnArchive(w, r, archive{owner: v.owner, items: []archived{rd.archived(v, it)}, name: it.Name})
}

// archived is an item as whoever visits its tree reaches it.
func (rd *reader) archived(v visit, it placed) archived {
	return archived{it, v.folder(), func(ctx context.Context) error { return rd.trees.still(v.within(ctx), mayRead, viewer) }}
}

// postArchive is POST /files/archive.
func (rd *reader) postArchive(w http.ResponseWriter, r *http.Request, v visit) error {
	in, err := httpx.ReadJSON[archiveRequest](r)
	if err != nil {
		return err
	}
	if len(in.IDs) == 0 {
		return httpx.Invalid("#/ids", "invalid", "Name 1 to 500 files and folders.")
	}
	var a archive
	for i, id := range in.IDs {
		if slices.Contains(in.IDs[:i], id) {
			continue
		}
		// Who reaches one item of a tree need not reach another.
		ctx, v, err := rd.trees.enterTreeOf(r.Context(), id, viewer)
		if err != nil {
			return err
		}
		if i > 0 && v.owner != a.owner {
			return httpx.ErrNotFound
		}
		it, err := itemByID(ctx, rd.db, v.owner, id)
		if err != nil {
			return err
		}
		a.owner, a.items = v.owner, append(a.items, rd.archived(v, it))
	}
	return rd.sendOwnArchive(w, r, a)
}

func (rd *reader) sendOwnArchive(w http.ResponseWriter, r *http.Request, a archive) error {
	return rd.sendArchive(w, r, a, func() error {
		for _, it := range a.items {
			rd.audit.Note(r.Context(), journal.InTree(a.owner, audit.Event{Action: audit.FileDownload, Target: it.ID, Details: map[string]string{"as": "archive"}}))
		}
		return nil
	})
}

// sendArchive answers with an archive. permit is asked before its first byte.
// Where nothing is compressed and all is in order the length is known
// beforehand and told, but not by HEAD, which costs no look at the tree.
func (rd *reader) sendArchive(w http.ResponseWriter, r *http.Request, a archive, permit func() error) error {
	ctx, h := r.Context(), w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", "attachment"+dispositionName(cmp.Or(a.name, "files")+".zip"))
	if r.Method == http.MethodHead {
		return nil
	}
	foreseen := packing{rd: rd, archive: a}
	err := foreseen.all(ctx)
	promised := err == nil
	if promised {
		h.Set("Content-Length", strconv.FormatInt(foreseen.length.total(), 10))
	} else if !errors.Is(err, errUnforeseen) {
		return err
	}
	if err := permit(); err != nil {
		return err
	}
	sent := packing{rd: rd, archive: a, z: zip.NewWriter(w), promised: promised}
	deflate, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		return err
	}
	sent.z.RegisterCompressor(zip.Deflate, func(to io.Writer) (io.WriteCloser, error) {
		deflate.Reset(to) // one entry at a time: one compressor is enough
		return deflate, nil
	})
	if err := sent.all(ctx); errors.Is(err, http.ErrContentLength) {
		return errChanged.Because(err) // by more than was foreseen
	} else if err != nil {
		return err
	}
	if sent.promised && sent.length != foreseen.length {
		return errChanged
	}
	return sent.z.Close()
}

// packing is one pass over an archive. The first only foresees, and ends where
// that cannot be done; the second writes.
type packing struct {
	archive
	at       archived // which is being packed
	rd       *reader
	z        *zip.Writer // nil: nothing is written
	names    zipNames    // of the top
	length   zipLength
	promised bool            // the length was told
	faults   int             // of entries
	listed   strings.Builder // the first of them
}

const (
	faultsFile = "INCOMPLETE.txt"
	mostFaults = 1000 // that are listed
)

var errChanged = httpx.ErrBusy.With("Something changed or was removed while it was being archived. Try again.")

// errUnforeseen ends a pass that cannot foresee the length.
var errUnforeseen = errors.New("the length of the archive is not known in advance")

// all goes through every entry of the archive, a folder before what is in it.
func (p *packing) all(ctx context.Context) error {
	for _, p.at = range p.items {
		name := ""
		if p.at.Parent != nil {
			name = p.names.claim(p.at.Name)
		}
		if err := p.below(ctx, name, p.at.placed); err != nil {
			return err
		}
	}
	return p.sayFaults()
}

func (p *packing) below(ctx context.Context, name string, it placed) error {
	if it.IsFile() {
		return p.file(ctx, name, it)
	}
	names := &p.names
	if name != "" {
		name, names = name+"/", &zipNames{}
		p.length.add(name, &it.item, 0)
		if p.z != nil {
			if _, err := p.z.CreateHeader(zipHeader(name, &it.item, it.Updated)); err != nil {
				return err
			}
		}
	}
	for at := (page{orders["name"], place{}, archivePage}); ; {
		if err := p.at.judge(ctx); err != nil {
			return err
		}
		list, err := p.rd.children(ctx, p.owner, it, at)
		if err != nil {
			return err
		}
		if p.at.folder != uuid.Nil {
			// It may have been moved out of what is shared before it was listed.
			_, _, err := itemBelow(ctx, p.rd.db, p.owner, p.at.folder, it.ID)
			if errors.Is(err, db.ErrNotFound) {
				return p.fault(name, "incomplete from here on: the folder was moved away while it was being archived")
			}
			if err != nil {
				return err
			}
		}
		for _, c := range list {
			if err := p.below(ctx, name+names.claim(c.Name), c.placed); err != nil {
				return err
			}
		}
		if len(list) < archivePage {
			return nil
		}
		at.after = list[archivePage-1].place()
	}
}

// file packs a file. One that cannot be read is left out and said to be, as
// long as it is not all that was asked for.
func (p *packing) file(ctx context.Context, name string, it placed) error {
	if p.z != nil && it.Size >= judgedSize {
		if err := p.at.judge(ctx); err != nil {
			return err
		}
	}
	c, err := p.open(ctx, it)
	if spoiled(err) && (len(p.items) > 1 || !p.items[0].IsFile()) {
		return p.fault(name, "left out: the server could not read its bytes")
	}
	if err != nil {
		return err
	}
	defer c.file.Close()
	if !c.proven {
		offer(p.rd.outside, it.ID)
	}
	p.length.add(name, &it.item, c.info.Size())
	if p.z == nil {
		if !c.proven || zipMethod(&it.item) != zip.Store {
			return errUnforeseen
		}
		return nil
	}
	entry, err := p.z.CreateHeader(zipHeader(name, &it.item, c.info.ModTime()))
	if err != nil {
		return err
	}
	return p.copy(ctx, entry, name, c)
}

// copy writes a file's bytes, as many as it had when it was opened.
func (p *packing) copy(ctx context.Context, entry io.Writer, name string, c content) error {
	buf := buffers.Get().(*[copyBuffer]byte)
	defer buffers.Put(buf)
	n, err := io.CopyBuffer(entry, whileAsked{ctx, io.LimitReader(c.file, c.info.Size())}, buf[:])
	if err != nil {
		return err
	}
	if n != c.info.Size() || stillAs(c.info, c.file) != nil {
		return p.fault(name, "may be incomplete: it changed while it was being read")
	}
	return nil
}

// fault notes what is wrong with an entry.
func (p *packing) fault(name, why string) error {
	switch {
	case p.z == nil:
		return errUnforeseen
	case p.promised:
		return errChanged
	}
	if p.faults++; p.faults <= mostFaults {
		fmt.Fprintf(&p.listed, "%s: %s\n", name, why)
	}
	return nil
}

// sayFaults tells in an entry of its own what the archive lacks.
func (p *packing) sayFaults() error {
	if p.faults == 0 {
		return nil
	}
	h := &zip.FileHeader{Name: p.names.claim(faultsFile), Modified: time.Now().UTC(), Method: zip.Deflate}
	h.SetMode(0o644)
	entry, err := p.z.CreateHeader(h)
	if err != nil {
		return err
	}
	if p.faults > mostFaults {
		fmt.Fprintf(&p.listed, "… and %d more\n", p.faults-mostFaults)
	}
	_, err = io.WriteString(entry, "This archive is not complete.\n\n"+p.listed.String())
	return err
}

// spoiled reports whether an error is the fault of one file, without which the
// others can be had.
func spoiled(err error) bool {
	return errors.Is(err, errContentMissing) || errors.Is(err, errDamaged) || errors.Is(err, db.ErrNotFound)
}

// open opens a file whose row was just read. When it lies there as the
// row says no query is needed.
func (p *packing) open(ctx context.Context, it placed) (content, error) {
	file, info, err := p.rd.vol.disk.Open(disk.OwnerPath(p.owner, it.path))
	if err == nil {
		if it.shows(file, info) {
			return content{file: file, info: info, item: readable{placed: it}, proven: true}, nil
		}
		file.Close()
	}
	return p.rd.open(ctx, p.rd.fileIn(p.owner, it.ID, p.at.folder), 0)
}
