package files

import (
	"archive/zip"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"homebase/files/disk"
	"homebase/files/naming"
)

// zipHeader describes an entry. Its time is an extended timestamp, in UTC, and
// for old readers one in MS-DOS form, which begins in 1980.
func zipHeader(name string, it *item, modified time.Time) *zip.FileHeader {
	if first := time.Unix(315532800, 0); modified.Before(first) {
		modified = first
	}
	h := &zip.FileHeader{Name: name, Modified: modified.UTC()}
	h.SetMode(fs.ModeDir | 0o755)
	if it.IsFile() {
		h.SetMode(0o644)
		h.Method = zipMethod(it)
	}
	return h
}

// zipMethod stores what compressing would only make slower.
func zipMethod(it *item) uint16 {
	if it.IsFile() && it.Size > 0 && compressible(*it.MediaType) {
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
	case !it.IsFile():
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

// zipNames are the names of one folder of an archive.
type zipNames struct {
	taken map[uint64]bool // as hashes of their folded form
	marks map[uint64]int  // the mark that was tried last, by the name that it marks
	tries int             // of names, taken or not
}

// longestMark is as long as any mark that is tried.
const longestMark = " (9999999)"

// claim is a name that Windows can hold and that no other entry of the folder
// has there: where two would be one, the later gets a mark. No mark of a name
// is tried twice. Names that are cut where the mark begins may meet in all
// their marks, so these go on from each other's.
func (t *zipNames) claim(name string) string {
	safe := windowsName(name)
	if t.take(safe) {
		return safe
	}
	cut := folded(disk.MarkName(safe, longestMark))
	for n := max(t.marks[cut]+1, 2); ; n++ {
		t.marks[cut] = n
		if marked := disk.MarkName(safe, fmt.Sprintf(" (%d)", n)); t.take(marked) {
			return marked
		}
	}
}

// take claims a name as it is, if it is free.
func (t *zipNames) take(name string) bool {
	if t.taken == nil {
		t.taken, t.marks = map[uint64]bool{}, map[uint64]int{}
	}
	t.tries++
	key := folded(name)
	free := !t.taken[key]
	t.taken[key] = true
	return free
}

// folded is a hash of a name as a system reads it that does not tell cases
// apart.
func folded(name string) uint64 {
	h := fnv.New64a()
	io.WriteString(h, naming.Fold(name))
	return h.Sum64()
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
