package files

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path"
	"strings"
)

// Some extensions belong to two kinds of files, and who declares the type of
// one looks at no more than the name. There the first bytes tell, of which
// signatureSize are enough for five packets of the longest kind, wherever a
// recording was cut.
const signatureSize = 1280

// signatures tell the type of a file by its first bytes.
var signatures = map[string]func(head []byte) string{
	"ts": typescriptOrRecording, "mts": typescriptOrRecording,
	"key": keynoteOrSecret,
	"ogg": soundOrFilm,
}

// extension is what a name has behind its last dot, in lower case.
func extension(name string) string { return strings.ToLower(strings.TrimPrefix(path.Ext(name), ".")) }

// headOf reads as much of a file as its type depends on: nil when the name
// says it all, or when the file cannot be read.
func headOf(name string, file *os.File) []byte {
	if signatures[extension(name)] == nil {
		return nil
	}
	head := make([]byte, signatureSize)
	n, err := file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	return head[:n]
}

// headAt is headOf of what lies at a path.
func (wr *writer) headAt(name, at string) []byte {
	if signatures[extension(name)] == nil {
		return nil
	}
	file, _, err := wr.vol.disk.Open(at)
	if err != nil {
		return nil
	}
	defer file.Close()
	return headOf(name, file)
}

func typescriptOrRecording(head []byte) string {
	if isTransportStream(head) {
		return "video/mp2t"
	}
	return "text/x-typescript"
}

// isTransportStream looks for the sync byte of each packet. Cameras put a time
// of four bytes before each, and transmitters a checksum behind. Two packets
// are enough where the first begins with the file; a recording that was cut
// elsewhere shows five. The sync byte is a G: lines of one length may have it at
// regular distances too, but they are lines.
func isTransportStream(head []byte) bool {
	control := func(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\r' }
	if bytes.IndexByte(head, '\n') >= 0 && !bytes.ContainsFunc(head, control) {
		return false
	}
	for _, size := range []int{188, 192, 204} {
		for first := range min(size, len(head)) {
			packets, at := 0, first
			for ; at < len(head) && head[at] == 0x47; at += size {
				packets++
			}
			regular := first == 0 || size == 192 && first == 4
			if at >= len(head) && (packets >= 5 || regular && packets >= 2) {
				return true
			}
		}
	}
	return false
}

func keynoteOrSecret(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return "application/vnd.apple.keynote"
	case bytes.HasPrefix(head, []byte("-----BEGIN ")):
		return "application/x-pem-file"
	}
	return octetStream
}

// soundOrFilm looks for a codec of films in the pages with which an Ogg file
// begins, one for each stream.
func soundOrFilm(head []byte) string {
	for _, codec := range []string{"\x80theora", "OVP80", "BBCD\x00"} {
		if bytes.HasPrefix(head, []byte("OggS")) && bytes.Contains(head, []byte(codec)) {
			return "video/ogg"
		}
	}
	return "audio/ogg"
}
